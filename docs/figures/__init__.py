"""Pictures that only the documentation needs."""
