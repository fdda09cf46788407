"""A two-dimensional map of embeddings, as one HTML page."""
