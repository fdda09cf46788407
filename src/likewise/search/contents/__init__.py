"""What an index holds (vectors, ids, items, engine), and how it is searched and changed."""
