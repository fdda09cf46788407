"""Pictures of each index family: its structure, and one search in it."""
