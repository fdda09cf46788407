"""Whole sets of photos, aligned: into a folder, or into the cache for ``--detect``."""
