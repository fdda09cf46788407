"""Exact nearest neighbors, in bounded memory."""
