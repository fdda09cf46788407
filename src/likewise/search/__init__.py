"""Nearest neighbor search: indexes over embeddings."""
