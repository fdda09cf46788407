"""The networks of Likewise and those of timm, the stages of their weights, and their norms."""
