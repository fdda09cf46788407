"""Readers of labeled photos: one module per format, each registered beside its definition."""

from likewise.data.formats.registry import (
    Format,
    format_of,
    has_suffix,
    list_formats,
    read_manifest,
    register_format,
)

__all__ = ["Format", "format_of", "has_suffix", "list_formats", "read_manifest", "register_format"]
