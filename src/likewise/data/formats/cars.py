"""Read Cars-196 (Stanford Cars) as it is published: photos of 196 models of cars.

The split is that of image retrieval: the first 98 classes are for training, the other 98 for the
test (Oh Song et al., CVPR 2016). The published division into training and test photos of the same
classes is of no use for retrieval; it is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.data.containers.box_crops import box_columns, cropped_to_boxes
from likewise.data.containers.mat_file import read_mat
from likewise.data.formats.listed_rows import refuse_outside
from likewise.data.formats.registry import register_format
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["LAST_OF_TRAINING", "read", "read_boxes"]

LAST_OF_TRAINING = 98  # the number of the last class to train on
ALL = "cars_annos.mat"
PARTS = {"cars_train": "cars_train_annos.mat", "cars_test": "cars_test_annos_withlabels.mat"}
META = "cars_meta.mat"
BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def recognises(path: Path) -> bool:
    """Whether this is a folder with the annotations of all photos, or with the devkit."""
    return (path / ALL).is_file() or _devkit(path, META).is_file()


@register_format(
    "cars", "the folder of Cars-196 with its annotations", recognises=recognises, priority=90
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read the photos with their class as identity and the column ``split``: train or test.

    The bounding boxes are the metadata ``box_left``, ``box_top``, ``box_right``, ``box_bottom`` in
    pixels (float32); the format ``cars-boxes`` crops the photos to them.

    Args:
        path: the folder with ``cars_annos.mat`` and ``car_ims``; or with ``devkit`` (or its files),
            ``cars_train`` and ``cars_test``. The devkit needs the file
            ``cars_test_annos_withlabels.mat`` too.
        root: the folder that the paths start from; by default the same.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a value; names the row.
    """
    folder = root or path
    if (path / ALL).is_file():
        found = read_mat(path / ALL)
        names = _names(path / ALL, found)
        tables = [_table(path / ALL, found, names, "relative_im_path", "", folder)]
    else:
        meta = _devkit(path, META)
        names = _names(meta, read_mat(meta))
        tables = []
        for part, file in PARTS.items():
            listed = _devkit(path, file)
            if not listed.is_file():
                raise InputError(
                    f"{listed}: no such file; it names the classes of the photos in {part}"
                )
            found = read_mat(listed)
            tables.append(_table(listed, found, names, "fname", f"{part}/", folder))
    return Manifest(pa.concat_tables(tables), folder)


@register_format(
    "cars-boxes",
    "Cars-196, its photos cropped to their bounding boxes",
    recognises=lambda _: False,  # only by name
    priority=1,
)
def read_boxes(path: Path, root: Path | None = None) -> Manifest:
    """Read as ``read`` does, with each photo cropped to its bounding box.

    Raises:
        InputError: see ``read``.
    """
    return cropped_to_boxes(read(path, root), path)


def _devkit(path: Path, name: str) -> Path:
    """A file of the devkit, which lies in its own folder or directly in that of the set."""
    inside = path / "devkit" / name
    return inside if inside.is_file() or not (path / name).is_file() else path / name


def _names(path: Path, found: dict[str, Any]) -> list[str]:
    names = found.get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: holds no class_names")
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two classes have the same name in class_names")
    return names


def _table(
    path: Path, found: dict[str, Any], names: list[str], key: str, before: str, folder: Path
) -> pa.Table:
    """The manifest of a list of annotations.

    Args:
        path: of the file, for messages.
        found: its variables.
        names: of the classes.
        key: the field with the path of the photo.
        before: the folder of the paths.
        folder: that all paths start from.
    """
    rows = found.get("annotations")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: holds no annotations")
    paths, classes, boxes = [], [], []
    for number, row in enumerate(rows, 1):
        name = row.get(key) if isinstance(row, dict) else None
        if not isinstance(name, str) or not name:
            raise InputError(f"{path}: row {number}: no text {key}")
        label = _number(path, number, row, "class")
        if not (label == int(label) and 1 <= label <= len(names)):
            raise InputError(
                f"{path}: row {number}: class is {label:g}; must be from 1 to {len(names)}"
            )
        left, top, right, bottom = (_number(path, number, row, side) for side in BOX)
        paths.append(before + name)
        classes.append(int(label))
        boxes.append((left - 1, top - 1, right, bottom))  # MATLAB counts pixels from 1
    lines = list(range(1, len(rows) + 1))
    sides = ["train" if label <= LAST_OF_TRAINING else "test" for label in classes]
    table = pa.table(
        {
            "path": pa.array(paths),
            "identity": pa.array([names[label - 1] for label in classes]),
            "split": pa.array(sides),
            **box_columns(boxes, path, lines),
        }
    )
    refuse_outside(path, table, lines, folder)
    return table


def _number(path: Path, row: int, values: dict[str, Any], key: str) -> float:
    found = values.get(key)
    if not isinstance(found, np.ndarray) or found.size != 1:
        raise InputError(f"{path}: row {row}: no number {key}")
    number = float(found.reshape(-1)[0])
    if not np.isfinite(number):
        raise InputError(f"{path}: row {row}: {key} is {number}")
    return number
