"""What an index holds, and how it answers."""
