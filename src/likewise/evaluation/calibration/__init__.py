"""Calibration of scores to probabilities, and its evaluation."""
