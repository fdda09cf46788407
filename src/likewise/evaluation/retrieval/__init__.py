"""Retrieval metrics, and retrieval by several processes."""
