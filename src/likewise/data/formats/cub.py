"""Read CUB-200-2011 (Caltech-UCSD Birds) as it is published: photos of 200 kinds of birds.

The split is that of image retrieval: the first 100 classes are for training, the other 100 for the
test (Oh Song et al., CVPR 2016). ``train_test_split.txt`` divides the photos of each class, which
is of no use for retrieval; it is not read.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from likewise.data.containers.box_crops import box_columns, cropped_to_boxes
from likewise.data.formats.listed_rows import (
    Row,
    number_in,
    numbered,
    refuse_outside,
    same_numbers,
)
from likewise.data.formats.registry import register_format
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["LAST_OF_TRAINING", "read", "read_boxes"]

LAST_OF_TRAINING = 100  # the number of the last class to train on
LISTS = IMAGES, LABELS, CLASSES = "images.txt", "image_class_labels.txt", "classes.txt"
BOXES = "bounding_boxes.txt"
PHOTOS = "images"


def recognises(path: Path) -> bool:
    """Whether this is a folder with the three lists."""
    return all((path / name).is_file() for name in LISTS)


@register_format(
    "cub", "the folder of CUB-200-2011 with its lists", recognises=recognises, priority=90
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read the photos with their class as identity and the column ``split``: train or test.

    ``bounding_boxes.txt``, if there, gives the metadata ``box_left``, ``box_top``, ``box_right``
    and ``box_bottom`` in pixels (float32); the format ``cub-boxes`` crops the photos to them.

    Args:
        path: the folder ``CUB_200_2011``.
        root: the folder of the photos; by default its folder ``images``.

    Raises:
        InputError: a list is missing or broken, or two lists do not fit together; names the row.
    """
    photos = numbered(path / IMAGES, ("image_id", "path"))
    labels = numbered(path / LABELS, ("image_id", "class_id"))
    names = numbered(path / CLASSES, ("class_id", "name"))
    same_numbers(path / LABELS, labels, path / IMAGES, photos, "image_id")
    folder = root or path / PHOTOS
    classes = []
    for photo in photos:
        row = labels[photo]
        number = number_in(path / LABELS, row, 1, "class_id")
        if number not in names:
            raise InputError(
                f"{path / LABELS}: row {row[0]}: the class_id {number} is not in {CLASSES}"
            )
        classes.append(number)
    columns: dict[str, pa.Array] = {
        "path": pa.array([fields[1] for _, fields in photos.values()]),
        "identity": pa.array([names[number][1][1] for number in classes]),
        "split": pa.array(
            ["train" if number <= LAST_OF_TRAINING else "test" for number in classes]
        ),
    }
    if (path / BOXES).is_file():
        columns |= _boxes(path / BOXES, photos, path / IMAGES)
    table = pa.table(columns)
    refuse_outside(path / IMAGES, table, [row for row, _ in photos.values()], folder)
    return Manifest(table, folder)


@register_format(
    "cub-boxes",
    "CUB-200-2011, its photos cropped to their bounding boxes",
    recognises=lambda _: False,  # only by name
    priority=1,
)
def read_boxes(path: Path, root: Path | None = None) -> Manifest:
    """Read as ``read`` does, with each photo cropped to its bounding box.

    Raises:
        InputError: see ``read``; or there is no ``bounding_boxes.txt``.
    """
    return cropped_to_boxes(read(path, root), path / BOXES)


def _boxes(path: Path, photos: dict[int, Row], listed: Path) -> dict[str, pa.Array]:
    """The columns of the boxes, from rows ``image_id x y width height``."""
    rows = numbered(path, ("image_id", "x", "y", "width", "height"))
    same_numbers(path, rows, listed, photos, "image_id")
    boxes = []
    for photo in photos:
        line, fields = rows[photo]
        try:
            left, top, width, height = map(float, fields[1:])
        except ValueError:
            raise InputError(
                f"{path}: row {line}: x, y, width and height must be numbers; got "
                f"{' '.join(fields[1:])[:60]!r}"
            ) from None
        boxes.append((left, top, left + width, top + height))
    return box_columns(boxes, path, [rows[photo][0] for photo in photos])
