"""How good an embedding is: verification, and the report that shows it."""
