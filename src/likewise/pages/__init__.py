"""Pages: their one style, and the plots that stand in them."""
