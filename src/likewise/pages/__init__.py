"""HTML pages: one template environment, one style, and the plots."""
