"""MXNet's image record: a header of 24 bytes, labels, and the encoded image.

The header is little-endian ``uint32 flag, float32 label, uint64 id, uint64 id2``. Flag 0: its label
is the only one. Flag n > 0: n float32 labels follow the header, before the image.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.data.containers.recordio import MAGIC, read_record, record_beginnings
from likewise.data.store import ByteFile
from likewise.errors import InputError

__all__ = [
    "EXACT",
    "IMAGE_AT",
    "ImageRecord",
    "RecordLabels",
    "RecordStore",
    "pack",
    "record_labels",
    "unpack",
]

EXACT = 2**24  # labels and keys are stored as float32, which is exact for integers up to here
_HEADER = struct.Struct("<IfQQ")
IMAGE_AT = _HEADER.size  # the offset of the image if no labels precede it
# The beginning of a record of one part, up to its second label.
_BEGINNING = np.dtype(
    [
        ("magic", "<u4"),
        ("packed", "<u4"),
        ("flag", "<u4"),
        ("label", "<f4"),
        ("id", "<u8"),
        ("id2", "<u8"),
        ("first", "<f4"),
        ("second", "<f4"),
    ]
)


@dataclass(frozen=True)
class ImageRecord:
    """A parsed image record.

    Args:
        flag: 0, or the number of labels after the header.
        labels: float32 [1] with flag 0, else float32 [flag].
        id: the image's number; usually its key in the index.
        id2: a second number, usually 0.
        image: the encoded image.
    """

    flag: int
    labels: NDArray[np.float32]
    id: int
    id2: int
    image: bytes


def pack(image: bytes, label: float | Sequence[float], id: int, id2: int = 0) -> bytes:
    """Encode an image record: flag 0 for one label, flag n for a sequence of n labels."""
    if isinstance(label, int | float):
        return _HEADER.pack(0, label, id, id2) + image
    labels = np.asarray(label, "<f4")
    return _HEADER.pack(len(labels), 0.0, id, id2) + labels.tobytes() + image


def unpack(record: bytes, name: str = "image record") -> ImageRecord:
    """Parse a record.

    Raises:
        InputError: it is shorter than its header and labels; the message begins with ``name``.

    Example:
        >>> from likewise.data.containers.image_record import pack, unpack
        >>> unpack(pack(b"JPEG", [0.5, 1.0], id=7)).labels.tolist()
        [0.5, 1.0]
    """
    if len(record) < IMAGE_AT:
        raise InputError(f"{name}: {len(record)} bytes are too few for an image record's header")
    flag, label, id, id2 = _HEADER.unpack_from(record)
    image = IMAGE_AT + 4 * flag
    if image > len(record):
        raise InputError(f"{name}: {len(record)} bytes are too few for {flag} labels")
    labels = np.array([label], np.float32)
    if flag:
        labels = np.frombuffer(record, "<f4", flag, IMAGE_AT)
    return ImageRecord(flag, labels, id, id2, record[image:])


class RecordStore:
    """The images of a ``.rec`` file; ``place`` is the offset of a record.

    Args:
        file: the ``.rec``.
    """

    def __init__(self, file: ByteFile) -> None:
        self.file = file

    def read(self, place: int) -> bytes:
        """The encoded image of the record at ``place``.

        Raises:
            InputError: the record is damaged.
        """
        return _read(self.file, place).image


def _read(file: ByteFile, offset: int) -> ImageRecord:
    return unpack(read_record(file, offset), f"{file.path}: byte {offset}")


@dataclass(frozen=True)
class RecordLabels:
    """The headers of N records, as arrays [N].

    Args:
        flag: uint32.
        id: uint64.
        labels: float32 [N, 2]: the first two labels (the second 0 where there is none).
        empty: bool: True if the record holds no image.
    """

    flag: NDArray[np.uint32]
    id: NDArray[np.uint64]
    labels: NDArray[np.float32]
    empty: NDArray[np.bool_]


def record_labels(file: ByteFile, offsets: NDArray[np.int64]) -> RecordLabels:
    """Read the headers of many records in one pass, without the images.

    Args:
        file: the ``.rec``.
        offsets: int64 [N], where records begin, in any order.

    Raises:
        InputError: there is no image record at an offset, or a first label is not finite; names
            the file and the byte.
    """
    order = None if np.all(offsets[:-1] < offsets[1:]) else np.argsort(offsets, kind="stable")
    ascending = offsets if order is None else offsets[order]
    N = len(offsets)
    headers = RecordLabels(
        np.empty(N, np.uint32), np.empty(N, np.uint64), np.empty((N, 2), np.float32),
        np.empty(N, np.bool_),
    )  # fmt: skip
    for rows, found in record_beginnings(file, ascending, _BEGINNING.itemsize):
        _parse(file, ascending[rows], found.view(_BEGINNING)[:, 0],
                    headers, rows if order is None else order[rows])  # fmt: skip
    return headers


def _parse(
    file: ByteFile,
    offsets: NDArray[np.int64],
    head: NDArray[np.void],
    headers: RecordLabels,
    rows: slice | NDArray[np.int64],
) -> None:
    cflag, length = head["packed"] >> 29, (head["packed"] & (1 << 29) - 1).astype(np.int64)
    flag = head["flag"].astype(np.int64)
    # Read one by one: records of several parts whose first part ends within the header, and damaged
    # records, for their error messages.
    wrong = (head["magic"] != MAGIC) | (cflag > 1) | (offsets + 8 + length > file.size)
    short = np.where(cflag == 0, length < IMAGE_AT + 4 * flag, length < IMAGE_AT + 8)
    labels = np.stack([head["label"], np.zeros(len(head), np.float32)], axis=1)
    labels[flag > 0, 0] = head["first"][flag > 0]
    labels[flag > 1, 1] = head["second"][flag > 1]
    id, empty = head["id"].copy(), (cflag == 0) & (length == IMAGE_AT + 4 * flag)
    for row in np.flatnonzero(wrong | short).tolist():
        alone = _read(file, int(offsets[row]))
        flag[row], id[row], empty[row] = alone.flag, alone.id, not alone.image
        labels[row] = np.resize(alone.labels[:2], 2) if alone.flag > 1 else (alone.labels[0], 0)
    invalid = ~np.isfinite(labels[:, 0])
    if invalid.any():
        at = offsets[int(np.argmax(invalid))]
        raise InputError(f"{file.path}: byte {at}: the label is not finite; the file is damaged")
    headers.flag[rows], headers.id[rows], headers.labels[rows], headers.empty[rows] = (
        flag,
        id,
        labels,
        empty,
    )
