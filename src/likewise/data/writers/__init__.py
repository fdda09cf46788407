"""Labelled photos written in a format, one format a file."""
