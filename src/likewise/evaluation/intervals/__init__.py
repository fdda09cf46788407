"""Confidence intervals, and the difference between two systems."""
