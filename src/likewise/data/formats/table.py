"""Read and write a CSV, TSV, Parquet or Arrow table as a manifest.

An ``.arrow`` file (Arrow IPC) is memory-mapped, not parsed: ten million rows open in a second.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from likewise.data.columns import refuse_repeated, rename_reserved_columns
from likewise.data.formats.registry import (
    format_of,
    has_suffix,
    read_manifest,
    register_format,
)
from likewise.data.labels import clean_label, text_column
from likewise.data.manifest import SPLITS, Manifest
from likewise.data.paths import first_outside
from likewise.data.text_file import lines_of, marked_encoding, no_text, read_text
from likewise.errors import InputError, first_line
from likewise.storage import new_file

__all__ = ["read", "write_table"]

TEXT = ("path", "identity", "split")
ROWS = 65_536  # written at a time
HEADER = 2**16  # bytes examined for the header line
FILES = frozenset({"folder", "cub", "cars", "in-shop", "online-products"})
"""Formats of folders whose photos are files of their own: a table names them by their paths."""
SEPARATOR = re.compile(r"\"?sep=(.)\"?")  # a line that Excel accepts before the header


@register_format(
    "table",
    "a .csv, .tsv, .parquet or .arrow table",
    recognises=has_suffix(".csv", ".tsv", ".parquet", ".arrow"),
    priority=50,
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read the columns ``path``, ``identity`` (and ``split``, and any metadata) of a table.

    Args:
        path: the table.
        root: the folder that its paths start from, by default the table's own; or any source in
            another format (a ``.rec``, say), from which the table then selects photos by name.

    Raises:
        InputError: the file cannot be read, a column is missing, a value is empty, a split is
            unknown, or a path points outside ``root``; names the first such row.
    """
    table = rename_reserved_columns(_columns(path), path)
    missing = [name for name in ("path", "identity") if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path}: no column {' and no column '.join(missing)}; "
            f"it has: {', '.join(table.column_names) or 'none'}"
        )
    if table.num_rows == 0:
        raise InputError(f"{path}: the table has no rows")
    for name in TEXT:
        if name in table.column_names:
            column = text_column(table[name], path, name)
            if name == "path":  # unique, so a dictionary would not help; plain text from here on
                column = column.cast(pa.string())
            table = table.set_column(table.column_names.index(name), name, column)
    if "split" in table.column_names:
        known = pc.is_in(table["split"], value_set=pa.array(sorted(SPLITS)))
        wrong = pc.index(known, False).as_py()
        if wrong >= 0:
            raise InputError(
                f"{path}: row {wrong + 1}: split must be train, val, test, query or gallery"
            )
    folder = path.parent if root is None else root
    if not folder.is_dir() or _is_container(folder):
        return _chosen_from(read_manifest(folder), table, path)
    outside = first_outside(table["path"], folder)
    if outside is not None:
        raise InputError(
            f"{path}: row {outside + 1}: the path points outside {folder}; name the photos' folder "
            "with --root"
        )
    return Manifest(table, folder)


def write_table(manifest: Manifest, path: Path) -> None:
    """Write a manifest as CSV, Parquet or Arrow, chosen by the suffix."""
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet", ".arrow"}:
        raise InputError(f"{path}: a manifest is written as .csv, .parquet or .arrow")
    with new_file(path) as temporary:
        if suffix == ".csv":
            try:
                pyarrow.csv.write_csv(_without_dictionaries(manifest.table), temporary)
            except pa.ArrowException as error:
                raise InputError(
                    f"{path}: a CSV cannot hold a column ({first_line(error)}); write .parquet"
                ) from None
        elif suffix == ".parquet":
            pq.write_table(manifest.table, temporary)
        else:
            with pa.ipc.new_file(str(temporary), manifest.table.schema) as writer:
                writer.write_table(manifest.table, max_chunksize=ROWS)


def _without_dictionaries(table: pa.Table) -> pa.Table:
    """The table with dictionary-encoded columns decoded, for CSV."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table[place].cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    return table


def _columns(path: Path) -> pa.Table:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            refuse_repeated(pq.read_schema(path).names, path)
            return pq.read_table(path)
        if suffix == ".arrow":
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            table.validate()
            return table
        return _text_columns(path)
    except (pa.ArrowException, OSError) as error:
        if "invalid UTF8" in str(error):
            raise no_text(path) from None
        raise InputError(f"{path}: cannot be read as a table ({first_line(error)})") from None


def _text_columns(path: Path) -> pa.Table:
    """The columns of a CSV in any supported encoding, with any common separator."""
    with path.open("rb") as stream:
        start = stream.read(HEADER)
    source: Path | pa.BufferReader = path
    if marked_encoding(start) not in (None, "utf-8-sig"):
        text = read_text(path)
        source = pa.BufferReader(text.encode())
    else:
        text = start.decode("utf-8-sig", "replace")
    # Empty lines before the header are skipped, as Arrow does.
    lines = list(filter(None, lines_of(text)))
    header = lines[0] if lines else ""
    delimiter = _delimiter(header, "\t" if path.suffix.lower() == ".tsv" else ",")
    skipped = 0
    if excel := SEPARATOR.fullmatch(header):
        delimiter, skipped = excel[1], 1
        header = lines[1] if len(lines) > 1 else ""
    names = next(csv.reader([header], delimiter=delimiter), [])
    # Identities such as 007 or 1e5 are names, not numbers.
    as_text = {name: pa.string() for name in names if clean_label(name) in TEXT}
    table = pyarrow.csv.read_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(skip_rows=skipped),
        convert_options=pyarrow.csv.ConvertOptions(column_types=as_text),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
    )
    try:
        return table.rename_columns([clean_label(name) for name in table.column_names])
    except UnicodeDecodeError:  # Arrow checks the encoding of the values only
        raise no_text(path) from None


def _delimiter(header: str, usual: str) -> str:
    """The usual delimiter, or another one if the header does not contain the usual one.

    Excel writes semicolons where the comma is the decimal separator, and tabs in "Unicode text".
    """
    return next((mark for mark in (usual, ",", "\t", ";") if mark in header), usual)


def _is_container(folder: Path) -> bool:
    """Whether a folder is in a format with files of many photos (tar shards, RecordIO)."""
    format = format_of(folder)
    return format is not None and format.name not in FILES


def _chosen_from(source: Manifest, table: pa.Table, path: Path) -> Manifest:
    """The photos of ``source`` selected by a table, with the table's identities and metadata."""
    _refuse_ambiguous(source.table["path"], table["path"], path)
    rows = pc.index_in(table["path"], value_set=source.table["path"])
    unknown = pc.index(pc.is_null(rows), True).as_py()
    if unknown >= 0:
        name = table["path"][unknown].as_py()
        raise InputError(f"{path}: row {unknown + 1}: {source.root} holds no photo {name!r}")
    if source.store is None:
        return Manifest(table, source.root)
    places = source.table["place"].take(rows)
    return replace(source, table=table.append_column("place", places))


def _refuse_ambiguous(names: pa.ChunkedArray, wanted: pa.ChunkedArray, path: Path) -> None:
    """Refuse names that two photos of the source share."""
    if pc.count_distinct(names).as_py() == len(names):
        return
    counts = pc.value_counts(names)
    several = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    row = pc.index(pc.is_in(wanted, value_set=several), True).as_py()
    if row >= 0:
        raise InputError(
            f"{path}: row {row + 1}: several photos are called {wanted[row].as_py()!r}"
        )
