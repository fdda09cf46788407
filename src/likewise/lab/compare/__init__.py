"""The loss lab: losses compared under equal conditions, and what of it is more than chance."""
