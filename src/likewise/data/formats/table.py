"""A CSV, TSV, Parquet or Arrow table, read and written as a manifest.

Ten million rows open at once as ``.arrow`` (an Arrow IPC file): it is memory-mapped, not parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from likewise.data.manifest import SPLITS, Manifest, read_manifest
from likewise.data.paths import first_outside
from likewise.errors import InputError
from likewise.storage import new_file

__all__ = ["read", "write_table"]

TEXT = ("path", "identity", "split")
ROWS = 65_536  # looked at, or written, at a time


def read(path: Path, root: Path | None = None) -> Manifest:
    """Read the columns ``path``, ``identity`` (and ``split``, and any metadata) of a table.

    Args:
        path: the table.
        root: the folder that its paths start from, by default its own; or any file or folder of
            photos that Likewise reads, whose photos the paths name (a table that chooses among
            the records of a ``.rec``, say).

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
    for name in set(TEXT) & set(table.column_names):
        if not _is_text(table[name].type):
            text = pc.cast(table[name], pa.string())
            table = table.set_column(table.column_names.index(name), name, text)
    if table.num_rows == 0:
        raise InputError(f"{path}: the table has no rows")
    for name in ("path", "identity"):
        _refuse_empty(path, table, name)
    if "split" in table.column_names:
        known = pc.is_in(table["split"], value_set=pa.array(sorted(SPLITS)))
        wrong = pc.index(known, False).as_py()
        if wrong >= 0:
            raise InputError(f"{path}: row {wrong + 1}: split must be train, val or test")
    folder = path.parent if root is None else root
    if not folder.is_dir() or _holds_photos_in_files_of_its_own(folder):
        return _chosen_from(read_manifest(folder), table, path)
    outside = first_outside(table["path"], folder)
    if outside is not None:
        raise InputError(
            f"{path}: row {outside + 1}: the path leads out of {folder}; name the photos' folder "
            "with --root"
        )
    return Manifest(table, folder)


def write_table(manifest: Manifest, path: Path) -> None:
    """Write a manifest as CSV, Parquet or Arrow, by the name's ending."""
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet", ".arrow"}:
        raise InputError(f"{path}: a manifest is written as .csv, .parquet or .arrow")
    with new_file(path) as temporary:
        if suffix == ".csv":
            pyarrow.csv.write_csv(_without_dictionaries(manifest.table), temporary)
        elif suffix == ".parquet":
            pq.write_table(manifest.table, temporary)
        else:
            with pa.ipc.new_file(str(temporary), manifest.table.schema) as writer:
                writer.write_table(manifest.table, max_chunksize=ROWS)


def _without_dictionaries(table: pa.Table) -> pa.Table:
    """The table with every value written out, as CSV has it."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table[place].cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    return table


def _columns(path: Path) -> pa.Table:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return pq.read_table(path)
        if suffix == ".arrow":
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            table.validate()
            return table
        # Identities such as 007 or 1e5 are names, not numbers.
        as_text = pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in TEXT})
        tab = "\t" if suffix == ".tsv" else ","
        return pyarrow.csv.read_csv(
            path, convert_options=as_text, parse_options=pyarrow.csv.ParseOptions(delimiter=tab)
        )
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as a table ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _texts(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The column in pieces; of a dictionary the few values that all rows share."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), ROWS):
            yield chunk.slice(start, ROWS)


def _refuse_empty(path: Path, table: pa.Table, name: str) -> None:
    """Raise an error that names the first row without a value, counted as a person would."""
    row = 0
    for piece in _texts(table[name]):
        text = piece.dictionary_decode() if pa.types.is_dictionary(piece.type) else piece
        blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(text), ""), True)
        if pc.any(blank).as_py():
            raise InputError(
                f"{path}: row {row + pc.index(blank, True).as_py() + 1}: {name} is empty"
            )
        row += len(piece)


def _holds_photos_in_files_of_its_own(folder: Path) -> bool:
    """Whether a folder is a set of larger files (tar shards, a RecordIO set) and no plain one."""
    from likewise.data.formats import format_of

    format = format_of(folder)
    return format is not None and format.name != "folder"


def _chosen_from(source: Manifest, table: pa.Table, path: Path) -> Manifest:
    """The photos of ``source`` that a table names, under the identities that the table gives."""
    rows = pc.index_in(table["path"], value_set=source.table["path"])
    unknown = pc.index(pc.is_null(rows), True).as_py()
    if unknown >= 0:
        name = table["path"][unknown].as_py()
        raise InputError(f"{path}: row {unknown + 1}: {source.root} holds no photo {name!r}")
    if source.store is None:
        return Manifest(table, source.root)
    places = source.table["place"].take(rows)
    if "place" in table.column_names:
        table = table.drop_columns(["place"])
    return replace(source, table=table.append_column("place", places))
