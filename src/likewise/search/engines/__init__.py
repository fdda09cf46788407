"""What index families are built from: the engine interface, parameters, faiss, exact search."""
