"""The tuner: find the fastest index that reaches a recall, and check its recall later."""
