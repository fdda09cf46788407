"""A map of embeddings: many numbers laid out on a plane, to be looked at."""
