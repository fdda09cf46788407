"""Losses on pairs and triplets of a batch, one a file."""
