"""Losses that shape an embedding space, one idea a file."""
