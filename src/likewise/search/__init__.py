"""The nearest among many: indexes over embeddings."""
