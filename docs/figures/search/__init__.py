"""How each family of indexes is built, and what one search looks at, as pictures."""
