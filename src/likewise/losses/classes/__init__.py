"""Class weights: which rank holds them, where they are stored, and which take part in a step."""
