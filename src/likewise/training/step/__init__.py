"""One training step, and what it may be made of."""
