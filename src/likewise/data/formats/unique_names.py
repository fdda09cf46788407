"""Names that tell every photo of a store from every other."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["unique_names"]


def unique_names(names: pa.ChunkedArray, apart: Callable[[], pa.Array]) -> pa.ChunkedArray:
    """The names as they are, or each behind what tells it apart, where two share one.

    Args:
        names: the name of each row; null where it has none.
        apart: gives N texts, put before the names, as a folder is, if they are wanted.
    """
    if names.null_count == 0 and pc.count_distinct(names).as_py() == len(names):
        return names
    own = pc.fill_null(names, "photo")
    return pa.chunked_array([pc.binary_join_element_wise(apart(), own.combine_chunks(), "/")])
