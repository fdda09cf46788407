"""Writers of labeled photos: one module per format, each registered beside its definition."""

from likewise.data.writers.registry import (
    PhotoWriter,
    WriterFormat,
    list_writers,
    register_writer,
    writer_format,
)

__all__ = ["PhotoWriter", "WriterFormat", "list_writers", "register_writer", "writer_format"]
