"""Linear metrics learned on embeddings, in the manner of scikit-learn."""
