"""Figures of the losses: embeddings of eight people, and decision boundaries."""
