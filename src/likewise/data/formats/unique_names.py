"""Make the names of the photos in a store unique."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["unique_names"]


def unique_names(names: pa.ChunkedArray, prefixes: Callable[[], pa.Array]) -> pa.ChunkedArray:
    """The names as they are if they are unique, else each as ``prefix/name``.

    Args:
        names: the name of each row; null if it has none.
        prefixes: returns a prefix per row; called only if the names are not unique.
    """
    if names.null_count == 0 and pc.count_distinct(names).as_py() == len(names):
        return names
    own = pc.fill_null(names, "photo")
    return pa.chunked_array([pc.binary_join_element_wise(prefixes(), own.combine_chunks(), "/")])
