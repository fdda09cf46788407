"""Read MS-Celeb-1M's text file: one photo per line, seven TAB-separated columns, no header.

The columns: Freebase MID, rank in the image search, image URL, page URL, face id, face rectangle
(base64 of four float32: x1 y1 x2 y2, from 0 to 1), face data (base64 of a JPEG).
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.containers.base64_columns import decoded_floats
from likewise.data.formats.registry import register_format
from likewise.data.labels import clean_label
from likewise.data.manifest import Manifest
from likewise.data.paths import first_outside
from likewise.data.store import MAX_PHOTO_BYTES, ByteFile
from likewise.data.text_file import lines_of, marked_encoding
from likewise.errors import InputError

__all__ = ["COLUMNS", "MsCelebStore", "read"]

COLUMNS = 7
MID, RANK, IMAGE_URL, PAGE_URL, FACE_ID, RECTANGLE, DATA = range(COLUMNS)

BLOCK = 4 * 2**20  # bytes read at a time; fits into the CPU's cache
LINE = MAX_PHOTO_BYTES // 3 * 4 + 2**20  # the longest line, in bytes
STEP = 64 * 2**10  # bytes read first of a line; most photos fit


class MsCelebStore:
    """The photos of an MS-Celeb-1M file; ``place`` is the offset of a line's last column.

    Args:
        file: the ``.tsv``.
    """

    def __init__(self, file: ByteFile) -> None:
        self.file = file

    def read(self, place: int) -> bytes:
        """The JPEG whose base64 begins at ``place``.

        Raises:
            InputError: the text up to the end of the line is not base64.
        """
        text = self._line(place)
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error as error:
            reason = f"byte {place}: the face data are not base64 ({error})"
            raise InputError(f"{self.file.path}: {reason}") from None

    def _line(self, place: int) -> bytes:
        pieces: list[bytes] = []
        step, at = STEP, place
        while at < self.file.size or not pieces:
            piece = self.file.read(at, min(step, max(self.file.size - at, 0)))
            end = piece.find(b"\n")
            if end >= 0:
                pieces.append(piece[:end])
                break
            pieces.append(piece)
            at += len(piece)
            step *= 2
            if at - place > LINE:
                raise InputError(f"{self.file.path}: byte {place}: {_too_long()}")
        return b"".join(pieces)


def _too_long() -> str:
    return f"a line of more than {LINE:,} bytes; too long for a photo"


def recognises(path: Path) -> bool:
    """Whether this is a ``.tsv`` with seven columns and without the header of a manifest."""
    if path.suffix.lower() != ".tsv" or not path.is_file():
        return False
    try:
        with path.open("rb") as stream:  # six of the columns are short
            start = stream.read(2**16)
    except OSError:
        return False
    encoding = marked_encoding(start) or "utf-8"
    fields = next(iter(lines_of(start.decode(encoding, "replace"))), "").split("\t")
    return len(fields) == 7 and not {"path", "identity"} <= set(map(clean_label, fields))


@register_format(
    "msceleb", "a .tsv of seven columns without header", recognises=recognises, priority=90
)
def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # holds its photos
    """Read the file in one pass; the photos themselves are not read. The MID is the identity.

    The name of a photo is ``MID/RANK-FACEID.jpg``, as in the published cleaned lists. Metadata are
    ``rank`` (int32), ``face_id``, and the rectangle's ``x1``, ``y1``, ``x2``, ``y2`` (float32); the
    URLs are not read.

    Raises:
        InputError: a row does not have seven columns, holds a control character or an invalid
            value, or two rows have the same name; names the row.
    """
    file = ByteFile(path)
    rows, batches = 0, []
    for block, marks, place in _blocks(file):
        batches.append(_batch(file, block, marks, place, rows))
        rows += len(marks) // COLUMNS
    if not batches:
        raise InputError(f"{path}: holds no photos")
    table = pa.Table.from_batches(batches).unify_dictionaries()
    names = table["path"]
    outside = first_outside(names, path.parent.absolute())
    if outside is not None:
        raise InputError(f"{path}: row {outside + 1}: the name points outside the set")
    if pc.count_distinct(names).as_py() != rows:
        _refuse_twice(path, names)
    return Manifest(table, path, MsCelebStore(file))


def _refuse_twice(path: Path, names: pa.ChunkedArray) -> None:
    codes = pc.index_in(names, value_set=pc.unique(names)).to_numpy()
    first = np.unique(codes, return_index=True)[1]
    row = int(np.flatnonzero(~np.isin(np.arange(len(codes)), first))[0])
    raise InputError(
        f"{path}: rows {int(first[codes[row]]) + 1} and {row + 1}: the same MID, rank and face id "
        f"({names[row].as_py()[:100]})"
    )


def _blocks(file: ByteFile) -> Iterator[tuple[bytes, NDArray[np.int64], int]]:
    """Blocks of whole lines: their bytes, the ends of their columns, their offset in the file."""
    place = rows = 0
    size = BLOCK
    while place < file.size:
        block = file.read(place, min(size, file.size - place))
        if place + len(block) == file.size and not block.endswith(b"\n"):
            block += b"\n"  # the last line may lack it
        end = block.rfind(b"\n") + 1
        if not end:
            if len(block) > LINE:
                raise InputError(f"{file.path}: row {rows + 1}: {_too_long()}")
            size *= 2
            continue
        letters = np.frombuffer(block, np.uint8, end)
        marks = np.flatnonzero(letters < 32)
        _check_columns(file, letters[marks], rows)
        yield block, marks, place
        rows += len(marks) // COLUMNS
        place, size = place + end, BLOCK


def _check_columns(file: ByteFile, marks: NDArray[np.uint8], rows: int) -> None:
    """Refuse lines without seven columns or with control characters; ``marks`` are all of these."""
    wanted = np.full(COLUMNS, ord("\t"), np.uint8)
    wanted[-1] = ord("\n")
    whole = len(marks) // COLUMNS * COLUMNS
    wrong = marks[:whole].reshape(-1, COLUMNS) != wanted
    if len(marks) == whole and not wrong.any():
        return
    row = int(np.argmax(np.append(wrong.any(axis=1), True)))
    line = marks[row * COLUMNS :]
    line = line[: int(np.argmax(line == ord("\n"))) + 1]
    invalid = line[(line != ord("\t")) & (line != ord("\n"))]
    reason = (
        f"holds the control character {int(invalid[0])}" if len(invalid)
        else f"{len(line)} of {COLUMNS} columns"
    )  # fmt: skip
    raise InputError(f"{file.path}: row {rows + row + 1}: {reason}")


def _batch(
    file: ByteFile, block: bytes, marks: NDArray[np.int64], place: int, rows: int
) -> pa.RecordBatch:
    """The table rows of a block of whole lines."""
    # An array over the block's bytes whose values alternate between fields and separators, so
    # that only the columns taken from it are copied.
    edges = np.zeros(2 * len(marks) + 1, np.int64)
    edges[1::2], edges[2::2] = marks, marks + 1
    pieces = pa.Array.from_buffers(
        pa.large_binary(), 2 * len(marks), [None, pa.py_buffer(edges), pa.py_buffer(block)]
    )

    def column(number: int) -> pa.Array:
        return pieces.take(pa.array(np.arange(2 * number, 2 * len(marks), 2 * COLUMNS)))

    def text(number: int, what: str) -> pa.Array:
        found = column(number).cast(pa.binary())
        empty = pc.index(pc.binary_length(found), 0).as_py()
        if empty >= 0:
            raise InputError(f"{file.path}: row {rows + empty + 1}: {what} is empty")
        try:
            return found.cast(pa.string())
        except pa.ArrowInvalid:
            row = next(n for n, value in enumerate(found.to_pylist()) if not _is_utf8(value))
            raise InputError(f"{file.path}: row {rows + row + 1}: {what} is not UTF-8") from None

    mid, face_id = text(MID, "the MID"), text(FACE_ID, "the face id")
    rank = text(RANK, "the rank")
    number = pc.match_substring_regex(rank, r"^[0-9]{1,9}$")
    wrong = pc.index(number, False).as_py()
    if wrong >= 0:
        raise InputError(
            f"{file.path}: row {rows + wrong + 1}: the rank is not a whole number: "
            f"{rank[wrong].as_py()[:40]!r}"
        )
    rectangles, invalid = decoded_floats(column(RECTANGLE), 4)
    if invalid.any():
        raise InputError(
            f"{file.path}: row {rows + int(np.argmax(invalid)) + 1}: the face rectangle is not "
            "base64 of four float32"
        )
    names = pc.binary_join_element_wise(
        mid, "/", rank, "-", face_id, pa.scalar(".jpg"), pa.scalar("")
    )
    columns = {
        "path": names,
        "identity": mid.dictionary_encode(),
        "place": pa.array(marks[RECTANGLE::COLUMNS] + 1 + place),
        "rank": rank.cast(pa.int32()),
        "face_id": face_id.dictionary_encode(),
    }
    sides = {side: pa.array(rectangles[:, n]) for n, side in enumerate(("x1", "y1", "x2", "y2"))}
    return pa.record_batch(columns | sides)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
