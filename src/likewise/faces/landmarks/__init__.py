"""Five points of a face, by a network that looks at its box."""
