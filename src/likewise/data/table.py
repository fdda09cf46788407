"""A CSV, TSV or Parquet table, read and written as a manifest."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from likewise.data.manifest import SPLITS, Manifest
from likewise.errors import InputError
from likewise.storage import new_file

__all__ = ["SUFFIXES", "read_table", "write_table"]

SUFFIXES = frozenset({".csv", ".tsv", ".parquet"})


def read_table(path: Path, root: Path) -> Manifest:
    """Read the columns ``path``, ``identity`` (and ``split``, and any metadata) of a table.

    Raises:
        InputError: the file cannot be read, a column is missing, a value is empty, a split is
            unknown, or a path leads out of ``root``; the first such row is named.
    """
    table = _columns(path)
    missing = [name for name in ("path", "identity") if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path}: no column {' and no column '.join(missing)}; "
            f"it has: {', '.join(table.column_names) or 'none'}"
        )
    for name in {"path", "identity", "split"} & set(table.column_names):
        text = pc.cast(table[name], pa.string())
        table = table.set_column(table.column_names.index(name), name, text)
    if table.num_rows == 0:
        raise InputError(f"{path}: the table has no rows")
    for name in ("path", "identity"):
        empty = pc.or_kleene(
            pc.is_null(table[name]), pc.equal(pc.utf8_trim_whitespace(table[name]), "")
        )
        _refuse(path, pc.fill_null(empty, True), f"{name} is empty")
    _refuse(path, pa.array([_leaves(p, root) for p in table["path"].to_pylist()], pa.bool_()),
            f"the path leads out of {root}; name the photos' folder with --root")  # fmt: skip
    if "split" in table.column_names:
        known = pc.is_in(table["split"], value_set=pa.array(sorted(SPLITS)))
        _refuse(path, pc.invert(known), "split must be train, val or test")
    return Manifest(table, root)


def write_table(manifest: Manifest, path: Path) -> None:
    """Write a manifest as CSV or Parquet, by the name's ending."""
    if path.suffix.lower() not in {".csv", ".parquet"}:
        raise InputError(f"{path}: a manifest is written as .csv or .parquet")
    with new_file(path) as temporary:
        if path.suffix.lower() == ".csv":
            pyarrow.csv.write_csv(manifest.table, temporary)
        else:
            pq.write_table(manifest.table, temporary)


def _columns(path: Path) -> pa.Table:
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path)
        # Identities such as 007 or 1e5 are names, not numbers.
        as_text = pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in ("path", "identity", "split")}
        )
        tab = "\t" if path.suffix.lower() == ".tsv" else ","
        return pyarrow.csv.read_csv(
            path, convert_options=as_text, parse_options=pyarrow.csv.ParseOptions(delimiter=tab)
        )
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as a table ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _leaves(name: str, root: Path) -> bool:
    """Whether a path points outside ``root`` (judged by its name; links are the user's own)."""
    if "\0" in name:
        return True
    path = PurePosixPath(name)
    if path.is_absolute():
        return not path.is_relative_to(root.absolute())
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _refuse(path: Path, at_fault: pa.Array, reason: str) -> None:
    """Raise an error that names the first row at fault, counted as a person would."""
    row = pc.index(at_fault, True).as_py()
    if row >= 0:
        raise InputError(f"{path}: row {row + 1}: {reason}")
