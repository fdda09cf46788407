"""Verification metrics, of listed pairs and of all pairs of a set."""
