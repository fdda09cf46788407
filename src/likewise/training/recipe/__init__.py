"""The recipe: its sections, its file, and what may be asked of it."""
