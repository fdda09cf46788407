"""The messages of an Arrow stream, looked at before Arrow acts on them.

Arrow unpacks a compressed batch as it reads it, however large it grows. Whether one is compressed
stands in the message's flatbuffer (Message.fbs of the Arrow format), of which two fields are read.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa

from likewise.errors import InputError

__all__ = ["refuse_compressed"]

DICTIONARY, RECORDS = 2, 3  # kinds of header
HEADER_TYPE, HEADER = 1, 2  # fields of a message
DATA = 1  # field of a dictionary batch: its record batch
COMPRESSION = 3  # field of a record batch


def refuse_compressed(path: Path, whole: pa.Buffer) -> None:
    """Look through a stream for compressed batches.

    Args:
        path: the file, for messages.
        whole: its bytes, mapped.

    Raises:
        InputError: there is one, or a message is damaged.
    """
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(whole)):
        try:
            compressed = _is_compressed(message.metadata.to_pybytes())
        except struct.error:
            raise InputError(f"{path}: a message of the Arrow stream is damaged") from None
        if compressed:
            raise InputError(f"{path}: its columns are compressed; save it uncompressed")


def _is_compressed(message: bytes) -> bool:
    table = struct.unpack_from("<I", message)[0]
    kind = _field(message, table, HEADER_TYPE)
    header = _field(message, table, HEADER)
    if kind is None or header is None:
        return False
    batch = _target(message, header)
    if message[kind : kind + 1] == bytes([DICTIONARY]):
        inner = _field(message, batch, DATA)
        if inner is None:
            return False
        batch = _target(message, inner)
    elif message[kind : kind + 1] != bytes([RECORDS]):
        return False
    return _field(message, batch, COMPRESSION) is not None


def _field(message: bytes, table: int, number: int) -> int | None:
    """Where a field of a table stands; None if it is not given."""
    fields = table - struct.unpack_from("<i", message, table)[0]
    if fields < 0:
        raise struct.error
    size = struct.unpack_from("<H", message, fields)[0]
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", message, fields + place)[0] if place < size else 0
    return table + offset if offset else None


def _target(message: bytes, place: int) -> int:
    found: int = place + struct.unpack_from("<I", message, place)[0]
    return found
