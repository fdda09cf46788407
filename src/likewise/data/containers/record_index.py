"""The index beside a ``.rec`` file: lines ``key<TAB>offset``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from likewise.data.containers.image_record import record_labels
from likewise.data.containers.recordio import read_record, record_offsets
from likewise.data.store import ByteFile
from likewise.errors import InputError, first_line

__all__ = ["RecordIndex", "read_index", "read_tab_table"]

log = logging.getLogger(__name__)

SAMPLE = 64  # records read to check that an index belongs to its file


@dataclass(frozen=True)
class RecordIndex:
    """The keys and offsets of N records.

    Args:
        keys: int64 [N], ascending and distinct.
        offsets: int64 [N].
    """

    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    def between(self, first: int, end: int) -> RecordIndex:
        """The records with keys ``first`` … ``end - 1``."""
        rows = slice(*np.searchsorted(self.keys, (first, end)).tolist())
        return RecordIndex(self.keys[rows], self.offsets[rows])

    def only(self, rows: NDArray[np.bool_]) -> RecordIndex:
        """The records selected by ``rows``, bool [N]."""
        return RecordIndex(self.keys[rows], self.offsets[rows])


def read_index(file: ByteFile) -> RecordIndex:
    """The index of a ``.rec`` from the ``.idx`` beside it, or from a scan if there is none.

    A scan uses the ids in the records' headers as keys if they are distinct, else the records'
    positions in the file, as MXNet's ``rec2idx`` does.

    Raises:
        InputError: a line is not a pair of whole numbers, a key or an offset is repeated, or no
            record begins at an offset; names the file and the key.
    """
    path = file.path.with_suffix(".idx")
    if not path.is_file():
        return _scan(file, path)
    table = read_tab_table(path, {"key": pa.int64(), "offset": pa.int64()})
    keys: NDArray[np.int64] = table["key"].to_numpy()
    offsets: NDArray[np.int64] = table["offset"].to_numpy()
    outside = (offsets < 0) | (offsets > file.size - 8) | (offsets % 4 != 0)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"{path}: key {keys[row]}: no record of {file.path.name} ({file.size} bytes) can begin "
            f"at {offsets[row]}; the index belongs to another file, or that file is cut short"
        )
    if np.any(keys[1:] <= keys[:-1]):
        order = np.argsort(keys, kind="stable")
        keys, offsets = keys[order], offsets[order]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        raise InputError(f"{path}: key {keys[twice[0]]} is repeated")
    _refuse_shared_offset(path, keys, offsets)
    _check_sample(file, offsets)
    return RecordIndex(keys, offsets)


def _refuse_shared_offset(path: Path, keys: NDArray[np.int64], offsets: NDArray[np.int64]) -> None:
    if np.all(offsets[1:] > offsets[:-1]):
        return
    order = np.argsort(offsets, kind="stable")
    same = np.flatnonzero(np.diff(offsets[order]) == 0)
    if len(same):
        one, other = keys[order[same[0]]], keys[order[same[0] + 1]]
        raise InputError(f"{path}: keys {one} and {other} begin at the same byte")


def _check_sample(file: ByteFile, offsets: NDArray[np.int64]) -> None:
    """Read a few records, including the last, to detect an index of another file."""
    if len(offsets):
        rows = np.unique(np.linspace(0, len(offsets) - 1, SAMPLE).astype(np.int64))
        for offset in {*offsets[rows].tolist(), int(offsets.max())}:
            read_record(file, offset)


def _scan(file: ByteFile, path: Path) -> RecordIndex:
    offsets = record_offsets(file)
    log.warning("%s is missing; %s was scanned to find its records", path, file.path.name)
    ids = record_labels(file, offsets).id
    order = np.argsort(ids, kind="stable")
    if len(ids) and ids[order[-1]] < 2**63 and np.all(np.diff(ids[order]) > 0):
        return RecordIndex(ids[order].astype(np.int64), offsets[order])
    return RecordIndex(np.arange(len(offsets)), offsets)


def read_tab_table(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    """Read a text file of TAB-separated columns without a header or missing values.

    Raises:
        InputError: it cannot be read, or a line does not have these columns.
    """
    if path.stat().st_size == 0:
        return pa.schema(columns.items()).empty_table()
    try:
        table = pyarrow.csv.read_csv(
            path,
            pyarrow.csv.ReadOptions(column_names=list(columns)),
            pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False),
            pyarrow.csv.ConvertOptions(column_types=columns, null_values=[]),
        )
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: must have the columns {', '.join(columns)} ({first_line(error)})"
        ) from None
    if any(table[name].null_count for name in columns):
        raise InputError(f"{path}: a value is missing; must have the columns {', '.join(columns)}")
    return table
