"""Bootstrap confidence intervals, of one system and of the difference of two."""
