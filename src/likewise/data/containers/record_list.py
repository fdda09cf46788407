"""The text files beside a ``.rec`` that name its images (``.lst``) and its identities.

A ``.lst`` has one line per image, with TAB-separated fields in one of two orders: MXNet's ``index
label… path``, where the index is the image's key; or InsightFace's ``aligned path label``, where
the lines are in the order of the keys. ``NAME.identities.tsv``, written by Likewise, names the
identity of each label: lines ``label<TAB>name`` with the labels 0, 1, 2 …
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.containers.record_index import read_tab_table
from likewise.data.paths import first_outside
from likewise.errors import InputError

__all__ = ["RecordList", "read_identities", "read_list"]

log = logging.getLogger(__name__)

LINE = 64 * 2**10  # the longest first line that is examined, in bytes
COLUMNS = 1024  # more labels than any set has


@dataclass(frozen=True)
class RecordList:
    """The N images of a ``.lst``.

    Args:
        path: the list.
        keys: int64 [N], the key of each image; None if the list gives only their order.
        names: their paths.
        labels: float32 [N].
    """

    path: Path
    keys: NDArray[np.int64] | None
    names: pa.ChunkedArray
    labels: NDArray[np.float32]

    def of(self, keys: NDArray[np.int64]) -> RecordList:
        """The rows of these ascending keys, in their order.

        Raises:
            InputError: a key has no row; names it.
        """
        if self.keys is None:
            if len(keys) != len(self.labels):
                raise InputError(
                    f"{self.path}: {len(self.labels)} lines for {len(keys)} images; "
                    "does it belong to another set? remove it to read the .rec without it"
                )
            return self
        if np.array_equal(self.keys, keys):
            return self
        order = np.argsort(self.keys, kind="stable")
        place = np.searchsorted(self.keys[order], keys)
        found = order[np.minimum(place, len(order) - 1)]
        missing = self.keys[found] != keys
        if missing.any():
            raise InputError(
                f"{self.path}: no line for key {keys[int(np.argmax(missing))]}; "
                "does it belong to another set? remove it to read the .rec without it"
            )
        return RecordList(self.path, keys, self.names.take(pa.array(found)), self.labels[found])


def read_list(path: Path) -> RecordList | None:
    """Read a ``.lst``; None if there is none, or if it is ignored.

    InsightFace's lists often hold absolute paths of the machine that made the set; such a list is
    ignored with a warning.

    Raises:
        InputError: it has neither form, or repeats a key; names the line or the key.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return None
    first = _first_line(path)
    if len(first) < 3 or len(first) > COLUMNS:
        raise InputError(f"{path}: {len(first)} columns in the first line; must be 3 or more")
    rest = {f"column {n}": pa.string() for n in range(4, len(first) + 1)}
    if _is_number(first[2]) and not _is_number(first[1]):
        kinds = {"aligned": pa.int64(), "path": pa.string(), "label": pa.float32()} | rest
    else:
        rest = {f"label {n}": pa.float32() for n in range(2, len(first) - 1)}
        kinds = {"index": pa.int64(), "label": pa.float32()} | rest | {"path": pa.string()}
    table = read_tab_table(path, kinds)
    keys = table["index"].to_numpy() if "index" in kinds else None
    if keys is not None:
        _refuse_repeated(path, "index", table["index"])
    outside = first_outside(table["path"], path.parent.absolute())
    if outside is not None:
        name = table["path"][outside].as_py()
        log.warning("%s is ignored: the path %r is outside the set", path, name[:100])
        return None
    labels: NDArray[np.float32] = table["label"].to_numpy()
    invalid = ~np.isfinite(labels)
    if invalid.any():
        raise InputError(f"{path}: line {int(np.argmax(invalid)) + 1}: the label is not finite")
    return RecordList(path, keys, table["path"], labels)


def read_identities(path: Path) -> pa.Array | None:
    """The name of each label 0, 1, 2 …, or None if there is no such file.

    Raises:
        InputError: a label is out of order, or a name is empty or repeated; names it.
    """
    if not path.is_file():
        return None
    table = read_tab_table(path, {"label": pa.int64(), "identity": pa.string()})
    wrong = table["label"].to_numpy() != np.arange(len(table))
    if wrong.any():
        line = int(np.argmax(wrong))
        raise InputError(f"{path}: line {line + 1}: the label must be {line}")
    empty = pc.index(table["identity"], "").as_py()
    if empty >= 0:
        raise InputError(f"{path}: line {empty + 1}: the identity is empty")
    _refuse_repeated(path, "identity", table["identity"])
    return table["identity"].combine_chunks()


def _refuse_repeated(path: Path, what: str, column: pa.ChunkedArray) -> None:
    if pc.count_distinct(column).as_py() == len(column):
        return
    counts = pc.value_counts(column)
    value = counts.filter(pc.greater(counts.field(1), 1)).field(0)[0].as_py()
    raise InputError(f"{path}: {what} {str(value)[:100]!r} is repeated")


def _first_line(path: Path) -> list[str]:
    with path.open("rb") as stream:
        line = stream.readline(LINE).rstrip(b"\r\n")
    return line.decode("utf-8", "replace").split("\t")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
