"""Networks that turn photos into embeddings, and the embedder that is saved and loaded."""
