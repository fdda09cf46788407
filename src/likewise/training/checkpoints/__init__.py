"""Checkpoints: what they hold, written and read."""
