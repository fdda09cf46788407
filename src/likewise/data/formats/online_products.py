"""Read Stanford Online Products as it is published: photos of 22,634 products.

The split is the published one: the products of ``Ebay_train.txt`` are for training, those of
``Ebay_test.txt`` for the test (Oh Song et al., CVPR 2016).
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from likewise.data.formats.listed_rows import Row, number_in, read_rows, refuse_outside
from likewise.data.formats.registry import register_format
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["read"]

TRAIN, TEST, INFO = "Ebay_train.txt", "Ebay_test.txt", "Ebay_info.txt"
COLUMNS = ("image_id", "class_id", "super_class_id", "path")
LAST_OF_TRAINING = 11_318  # the number of the last product of Ebay_train.txt


def recognises(path: Path) -> bool:
    """Whether this is a folder with the two lists, or with the list of all photos."""
    both = (path / TRAIN).is_file() and (path / TEST).is_file()
    return both or (path / INFO).is_file()


@register_format(
    "online-products",
    "the folder of Stanford Online Products with its lists",
    recognises=recognises,
    priority=90,
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read the photos with their product as identity and the column ``split``: train or test.

    The identity is the published class_id. The metadata ``super_class`` is the first folder of the
    path without ``_final``, such as ``bicycle``. ``Ebay_info.txt`` is read only where the other two
    lists are not there; then the products up to number 11318 are for training, as in these lists.

    Args:
        path: the folder ``Stanford_Online_Products``.
        root: the folder that the paths of the lists start from; by default the same.

    Raises:
        InputError: a list is broken, or a product is in both; names the row.
    """
    folder = root or path
    if (path / TRAIN).is_file() or (path / TEST).is_file():
        parts = [(path / TRAIN, "train"), (path / TEST, "test")]
    else:
        parts = [(path / INFO, "")]
    tables: list[pa.Table] = []
    products: list[set[int]] = []
    for file, split in parts:
        rows = read_rows(file, COLUMNS, header=True)
        numbers = [number_in(file, row, 1, "class_id") for row in rows]
        for earlier in products:
            _refuse_shared(file, rows, numbers, earlier)
        products.append(set(numbers))
        tables.append(_table(rows, numbers, split))
        refuse_outside(file, tables[-1], [line for line, _ in rows], folder)
    return Manifest(pa.concat_tables(tables), folder)


def _refuse_shared(file: Path, rows: list[Row], numbers: list[int], earlier: set[int]) -> None:
    for row, number in zip(rows, numbers, strict=True):
        if number in earlier:
            raise InputError(
                f"{file}: row {row[0]}: the class_id {number} is in {TRAIN} too; the test must "
                "show other products than the training"
            )


def _table(rows: list[Row], numbers: list[int], split: str) -> pa.Table:
    paths = [fields[3] for _, fields in rows]
    sides = [split or ("train" if n <= LAST_OF_TRAINING else "test") for n in numbers]
    return pa.table(
        {
            "path": pa.array(paths, pa.string()),
            "identity": pa.array([str(number) for number in numbers], pa.string()),
            "split": pa.array(sides, pa.string()),
            "super_class": pa.array(
                [name.partition("/")[0].removesuffix("_final") for name in paths], pa.string()
            ),
        }
    )
