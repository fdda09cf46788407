"""Arrays and tables from whatever holds them: NumPy, torch on any device, pandas, polars, lists."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from likewise.errors import InputError, LikewiseError, first_line

__all__ = ["as_array", "as_table", "data_frame"]


def as_array(values: Any, what: str) -> NDArray[Any]:
    """An array from NumPy, torch (any device, with or without gradient), pandas, Arrow or lists.

    Without a copy where the memory can be shared. Types that NumPy lacks, such as bfloat16,
    become float32. Of a DataFrame each row is a row.

    Args:
        values: numbers or names, of any shape.
        what: the name of the argument, for messages.

    Raises:
        InputError: rows of different lengths, or values that NumPy cannot read.

    Example:
        >>> import torch
        >>> from likewise.arrays import as_array
        >>> as_array(torch.ones(2, dtype=torch.bfloat16, requires_grad=True), "vectors")
        array([1., 1.], dtype=float32)
    """
    try:
        if _is_tensor(values):
            return _of_tensor(values)
        if isinstance(values, list | tuple) and values and _is_tensor(values[0]):
            return np.array([_of_tensor(value) for value in values])
        if hasattr(values, "to_numpy") and not isinstance(values, pa.Array | pa.ChunkedArray):
            return _plain(np.asarray(values.to_numpy()))  # pandas, polars
        return _plain(np.asarray(values))
    except (ValueError, TypeError, RuntimeError, pa.ArrowException) as error:
        reason = first_line(error)
        raise InputError(f"{what}: cannot be read as one array ({reason})") from None


def _is_tensor(values: Any) -> bool:
    """Whether it is a tensor; without an import of torch, which takes a second."""
    return hasattr(values, "detach") and hasattr(values, "cpu")


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Objects as what they are: numbers of nullable columns, rows of a column of lists."""
    if array.dtype != object or not array.size:
        return array
    first = array.reshape(-1)[0]
    if array.ndim == 1 and isinstance(first, list | tuple | np.ndarray):
        return np.array([np.asarray(row) for row in array])
    kinds = {type(value) for value in array.reshape(-1).tolist()}
    if kinds <= {bool, np.bool_}:
        return array.astype(bool)
    return array.astype(np.float64) if kinds == {float} or kinds == {float, int} else array


def _of_tensor(values: Any) -> NDArray[Any]:
    import torch

    tensor: torch.Tensor = values.detach().cpu()
    if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()
    found: NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
    return found


def as_table(table: Any, what: str = "table") -> pa.Table:
    """Any table as an Arrow table, without a copy if possible.

    Args:
        table: with Arrow's C interface (pyarrow, polars, DuckDB, pandas ≥ 2.2), or a method
            ``to_arrow`` or ``to_pandas``; or a dictionary of columns.
        what: the name of the argument, for messages.

    Raises:
        InputError: not a table.

    Example:
        >>> import pandas as pd
        >>> from likewise.arrays import as_table
        >>> as_table(pd.DataFrame({"id": [3, 4]})).column_names
        ['id']
    """
    if isinstance(table, pa.Table):
        return table
    try:
        if isinstance(table, Mapping):
            return pa.table(
                {str(name): _column(column, f"{what}: {name}") for name, column in table.items()}
            )
        if hasattr(table, "__arrow_c_stream__"):
            found = pa.table(table)
        elif hasattr(table, "to_arrow"):
            return as_table(table.to_arrow(), what)
        elif hasattr(table, "to_pandas"):
            found = pa.Table.from_pandas(table.to_pandas(), preserve_index=False)
        elif hasattr(table, "columns") and hasattr(
            table, "to_dict"
        ):  # a DataFrame without Arrow support
            found = pa.Table.from_pandas(table, preserve_index=False)
        else:
            raise InputError(
                f"{what}: {type(table).__name__} is neither a table nor a dictionary of columns"
            )
    except InputError:
        raise
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{what}: cannot be read as Arrow ({first_line(error)})") from None
    # Leave out the columns that pandas adds for its row index.
    return found.select([name for name in found.column_names if not name.startswith("__index")])


def data_frame(columns: pa.Table | Mapping[str, Any]) -> Any:
    """A ``pandas.DataFrame`` of an Arrow table or of columns by name.

    Raises:
        LikewiseError: pandas is not installed.

    Example:
        >>> from likewise.arrays import data_frame
        >>> data_frame({"k": [1, 5], "recall": [0.5, 1.0]}).shape
        (2, 2)
    """
    try:
        import_module("pandas")
    except ImportError:
        raise LikewiseError("to_pandas needs pandas; install it with: pip install pandas") from None
    return as_table(columns).to_pandas()


def _column(values: Any, what: str) -> Any:
    """A column that Arrow can read: rows of a matrix become lists."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise InputError(f"{what}: {values!r} is no column; give a value for each row")
    tensors = _is_tensor(values) or (len(values) and _is_tensor(values[0]))
    if tensors or isinstance(values, np.ndarray):
        array = as_array(values, what)
        return pa.array(array.tolist() if array.ndim > 1 else array)
    return pa.array(values)
