"""Convert items to Milvus's JSON fields and back to Arrow types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from likewise.errors import InputError, first_line

__all__ = ["Columns", "columns_of", "item_rows", "items_table", "united"]

Columns = dict[str, str]
MAX_BYTES = 65_536  # of one item, Milvus's limit


def columns_of(items: pa.Table) -> Columns:
    """The types of the columns, by name.

    Raises:
        InputError: a column is of a type that JSON cannot hold.
    """
    found: Columns = {}
    for field in items.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        plain = (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_null(kind)
        )
        if not plain:
            raise InputError(
                f"items: column {field.name} has type {kind}; Milvus stores numbers, strings and "
                "booleans"
            )
        found[field.name] = str(kind)
    return found


def item_rows(items: pa.Table | None, count: int) -> list[dict[str, Any]]:
    """One dictionary for each row; empty ones if there are no items.

    Raises:
        InputError: a number is not finite, or a row takes more than 64 KiB.
    """
    if items is None:
        return [{} for _ in range(count)]
    rows: list[dict[str, Any]] = items.to_pylist()
    for number, row in enumerate(rows):
        try:
            size = len(json.dumps(row, allow_nan=False, ensure_ascii=False).encode())
        except ValueError:
            raise InputError(f"items: row {number} holds a number that is not finite") from None
        if size > MAX_BYTES:
            raise InputError(
                f"items: row {number} takes {size:,} bytes; Milvus takes {MAX_BYTES:,}"
            )
    return rows


def items_table(rows: Sequence[dict[str, Any]], columns: Columns) -> pa.Table:
    """The table that the rows were made from."""
    return pa.table(
        {
            name: pa.array([row.get(name) for row in rows], pa.type_for_alias(kind))
            for name, kind in columns.items()
        }
    )


def united(columns: Columns, more: Columns) -> Columns:
    """The columns of both.

    Raises:
        InputError: a column has two types, and neither is the null type.
    """
    try:
        schema = pa.unify_schemas([_schema(columns), _schema(more)], promote_options="default")
    except pa.ArrowException as error:
        reason = first_line(error)
        raise InputError(f"items: their columns do not fit the index's ({reason})") from None
    return {field.name: str(field.type) for field in schema}


def _schema(columns: Columns) -> pa.Schema:
    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
