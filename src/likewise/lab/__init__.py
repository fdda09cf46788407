"""The comparison of losses, figures, maps of embeddings, and the demo with its baselines."""
