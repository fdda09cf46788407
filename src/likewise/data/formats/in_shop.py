"""Read DeepFashion's In-Shop Clothes Retrieval set as it is published: 7,982 pieces of clothing.

``Eval/list_eval_partition.txt`` divides the photos into train, query and gallery: the network
learns from the first, and each query is searched in the gallery (Liu et al., CVPR 2016).
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from likewise.data.formats.listed_rows import read_rows, refuse_outside
from likewise.data.formats.registry import register_format
from likewise.data.manifest import Manifest
from likewise.data.text_file import read_lines, small_number
from likewise.errors import InputError

__all__ = ["read"]

LIST = "list_eval_partition.txt"
COLUMNS = ("image_name", "item_id", "evaluation_status")
STATUSES = frozenset({"train", "query", "gallery"})


def _list_in(path: Path) -> Path:
    inside = path / "Eval" / LIST
    return inside if inside.is_file() else path / LIST


def recognises(path: Path) -> bool:
    """Whether this is a folder with the list of the partition."""
    return _list_in(path).is_file()


@register_format(
    "in-shop",
    "the folder of DeepFashion In-Shop with its partition",
    recognises=recognises,
    priority=90,
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read the photos with their item as identity and the column ``split``.

    The split is train, query or gallery. The items of queries and gallery are not in training.

    Args:
        path: the folder of the set, with ``Eval/list_eval_partition.txt``, or this list directly.
        root: the folder with ``img``; by default ``path``, or ``path/Img`` if it is unpacked there.

    Raises:
        InputError: the list is broken, or an item of the training is also searched; names the row.
    """
    file = _list_in(path)
    lines = read_lines(file)
    count = small_number(lines[0]) if lines else None
    if count is None:
        raise InputError(f"{file}: row 1: must be the number of photos")
    rows = read_rows(file, COLUMNS, header=True, skip=1)
    if len(rows) != count:
        raise InputError(f"{file}: row 1: says {count:,} photos, but {len(rows):,} follow")
    sides: dict[str, bool] = {}
    for line, (_, item, status) in rows:
        if status not in STATUSES:
            raise InputError(
                f"{file}: row {line}: evaluation_status is {status[:40]!r}; must be train, query "
                "or gallery"
            )
        trains = status == "train"
        if sides.setdefault(item, trains) != trains:
            raise InputError(
                f"{file}: row {line}: the item {item!r} is in training and in query or gallery"
            )
    table = pa.table(
        {
            "path": [fields[0] for _, fields in rows],
            "identity": [fields[1] for _, fields in rows],
            "split": [fields[2] for _, fields in rows],
        }
    )
    folder = root or _folder(path)
    refuse_outside(file, table, [line for line, _ in rows], folder)
    return Manifest(table, folder)


def _folder(path: Path) -> Path:
    """The folder with ``img``: the archive is unpacked beside the lists, or in ``Img``."""
    if not (path / "img").is_dir() and (path / "Img" / "img").is_dir():
        return path / "Img"
    return path
