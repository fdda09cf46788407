"""Embeddings of photos: their names, and the lengths that tell how good the photos are."""
