"""Pictures that explain the families of indexes, drawn from indexes over vectors of two numbers."""
