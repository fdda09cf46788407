"""Trained networks to start from, read out of installed packages; nothing is downloaded."""
