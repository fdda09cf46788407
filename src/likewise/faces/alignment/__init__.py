"""Five points to a template: similarity transforms, templates and crops."""
