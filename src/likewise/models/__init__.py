"""Networks that compute embeddings of photos, and the embedder: inference, saving, loading."""
