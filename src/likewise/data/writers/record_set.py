"""Write a training set as InsightFace does: ``train.rec``, ``train.idx`` and ``property``.

``train.lst`` holds the names of photos and ``train.identities.tsv`` those of identities (see
``record_list``), because the records hold only numbers. The form is the first one described in
``formats.insightface``: photos sorted by identity, then one record per identity. Record 0, with the
counts, is written last into the space reserved for it.
"""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from likewise.data.containers.image_record import EXACT, IMAGE_AT, pack
from likewise.data.containers.record_index import read_tab_table
from likewise.data.containers.recordio import encode_record
from likewise.data.images import readable_formats
from likewise.data.paths import escapes_root
from likewise.data.store import MAX_PHOTO_BYTES
from likewise.data.writers.growing_file import GrowingFile
from likewise.data.writers.registry import register_writer
from likewise.errors import InputError
from likewise.storage import write_text

__all__ = ["RecordSetWriter"]

_LIST = {"index": pa.int64(), "label": pa.int64(), "path": pa.string()}
_IDENTITIES = {"label": pa.int64(), "identity": pa.string()}


@register_writer("recordio", grouped=True)
class RecordSetWriter:
    """Writes a training set in RecordIO; the size of the first photo goes into ``property``.

    Args:
        out: the folder of ``train.rec``, or the ``.rec`` file itself.
        state: None, or a value of ``state()`` to continue from.

    Raises:
        InputError: the files to continue are missing.
        LikewiseError: here or in any method: the disk is full or cannot be written.
    """

    def __init__(self, out: Path, state: dict[str, Any] | None = None) -> None:
        path = out if out.suffix.lower() == ".rec" else out / "train.rec"
        self._property = path.with_name("property")
        at = state or {}
        self._rec = GrowingFile(path, at.get("rec", 0))
        self._idx = GrowingFile(path.with_suffix(".idx"), at.get("idx", 0))
        self._lst = GrowingFile(path.with_suffix(".lst"), at.get("lst", 0))
        self._tsv = GrowingFile(path.with_suffix(".identities.tsv"), at.get("identities", 0))
        self._identities: dict[str, int] = {}  # identity → label
        self._firsts: list[int] = []  # the key of each identity's first photo
        self._key = 0  # of the next record
        self._size: list[int] = [0, 0]  # height, width
        self._end = 0  # of the .rec, in bytes
        if state is None:
            self._record(self._header(1, 1))
        else:
            self._continue(state)

    def _continue(self, state: dict[str, Any]) -> None:
        listed = read_tab_table(self._lst.partial, _LIST)
        labels = listed["label"].to_numpy()
        self._firsts = (np.flatnonzero(np.diff(labels, prepend=-1)) + 1).tolist()
        names = read_tab_table(self._tsv.partial, _IDENTITIES)["identity"].to_pylist()
        self._identities = {name: label for label, name in enumerate(names)}
        self._key, self._size, self._end = state["key"], list(state["size"]), state["rec"]

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo.

        Raises:
            InputError: the photos of its identity are not consecutive, a name does not fit into a
                line or points outside the set, or there are too large or too many photos.
        """
        for text in (name, identity):
            if not text or any(mark in text for mark in "\t\n\r\0"):
                raise InputError(f"{text!r}: a name in a .lst has no TAB, line end or zero byte")
        if escapes_root(name, self._property.parent.absolute()):
            raise InputError(f"{name!r}: the path points outside the set")
        if len(data) > MAX_PHOTO_BYTES - IMAGE_AT:
            raise InputError(f"{name}: {len(data):,} bytes; at most {MAX_PHOTO_BYTES:,} fit")
        label = self._identities.get(identity, len(self._identities))
        if label + 1 < len(self._identities):
            raise InputError(
                f"{name}: the photos of {identity!r} are not consecutive; a .rec holds the photos "
                "of one identity after another: sort them by identity"
            )
        if self._key + 1 + max(label + 1, len(self._identities)) > EXACT:
            raise InputError(
                f"{name}: a .rec of this form numbers at most {EXACT:,} photos and identities; "
                "write several, or another format"
            )
        record = encode_record(pack(data, label, self._key))
        if label == len(self._identities):
            self._identities[identity] = label
            self._firsts.append(self._key)
            self._tsv.write(f"{label}\t{identity}\n".encode())
        if self._size == [0, 0]:
            self._size = _height_and_width(data)
        self._lst.write(f"{self._key}\t{label}\t{name}\n".encode())
        self._record(record)

    def state(self) -> dict[str, Any]:
        """The position of the writer, after everything is flushed to disk."""
        return {
            "rec": self._rec.flush(),
            "idx": self._idx.flush(),
            "lst": self._lst.flush(),
            "identities": self._tsv.flush(),
            "key": self._key,
            "size": self._size,
        }

    def finish(self) -> None:
        """Write the records of identities and record 0, and give the files their final names."""
        a, count = self._key, len(self._firsts)
        for first, end in pairwise((*self._firsts, a)):
            self._record(encode_record(pack(b"", (first, end), self._key)))
        self._rec.overwrite(self._header(a, a + count), 0)
        self._lst.complete()
        self._tsv.complete()
        write_text(self._property, ",".join(map(str, (count, *self._size))) + "\n")
        self._idx.complete()
        self._rec.complete()

    @staticmethod
    def _header(a: int, b: int) -> bytes:
        return encode_record(pack(b"", (a, b), 0))

    def _record(self, record: bytes) -> None:
        self._rec.write(record)
        self._idx.write(f"{self._key}\t{self._end}\n".encode())
        self._key += 1
        self._end += len(record)


def _height_and_width(data: bytes) -> list[int]:
    """The size of an encoded photo, from its header; zeros if it is not a photo."""
    try:
        with Image.open(io.BytesIO(data), formats=readable_formats()) as image:
            return [image.height, image.width]
    except Exception:  # Pillow raises nearly anything on hostile bytes
        return [0, 0]
