"""From a score to a probability, and how good that probability is."""
