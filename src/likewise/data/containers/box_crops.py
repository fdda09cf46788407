"""Photos cropped to the bounding boxes that come with a set, when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from likewise.data.images import MIN_SIDE, BadImage, decode
from likewise.data.manifest import Manifest
from likewise.data.paths import path_inside
from likewise.data.store import DecodedStore
from likewise.errors import InputError

__all__ = ["SIDES", "BoxCrops", "box_columns", "cropped_to_boxes"]

SIDES = ("box_left", "box_top", "box_right", "box_bottom")
"""The columns of a manifest with the sides of the boxes, in pixels of the photo."""


class BoxCrops(DecodedStore):
    """The photos of a folder, each cropped to its box; ``place`` is the row.

    Args:
        root: the folder.
        names: the path of each photo, relative to it, [N].
        boxes: left, top, right and bottom of each, float32 [N,4].
    """

    def __init__(self, root: Path, names: Sequence[str], boxes: NDArray[np.float32]) -> None:
        self.root, self.names, self.boxes = root, list(names), boxes

    def image(self, place: int) -> Image.Image:
        """The part of the photo in its box, which ends where the photo does.

        Raises:
            BadImage: the photo cannot be decoded, or the box lies outside of it.
        """
        path = path_inside(self.root, self.names[place])
        photo = decode(path)
        left, top, right, bottom = (float(side) for side in self.boxes[place])
        box = (
            max(0, round(left)), max(0, round(top)),
            min(photo.width, round(right)), min(photo.height, round(bottom)),
        )  # fmt: skip
        if box[2] - box[0] < MIN_SIDE or box[3] - box[1] < MIN_SIDE:
            raise BadImage(
                str(path),
                f"its box ({left:g}, {top:g}, {right:g}, {bottom:g}) holds less than "
                f"{MIN_SIDE}×{MIN_SIDE} of its {photo.width}×{photo.height} pixels",
            )
        return photo.crop(box)


def box_columns(
    boxes: Sequence[tuple[float, float, float, float]], where: Path, rows: Sequence[int]
) -> dict[str, pa.Array]:
    """The columns ``SIDES`` of boxes.

    Args:
        boxes: left, top, right and bottom of each, in pixels.
        where: the file that they come from, for messages.
        rows: the row of each in this file.

    Raises:
        InputError: a number is not finite, or a box is empty; names the row.
    """
    sides = np.array(boxes, np.float32).reshape(-1, 4)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(sides).all(axis=1) & (sides[:, 2:] > sides[:, :2]).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{where}: row {rows[row]}: the box {tuple(map(float, sides[row]))} is empty or not "
            "finite"
        )
    return {name: pa.array(sides[:, side]) for side, name in enumerate(SIDES)}


def cropped_to_boxes(manifest: Manifest, where: Path) -> Manifest:
    """The manifest whose photos are cropped to the boxes in its columns.

    Args:
        manifest: of photos in files.
        where: the file with the boxes, for the message.

    Raises:
        InputError: the manifest has no boxes.
    """
    if not set(SIDES) <= set(manifest.table.column_names):
        raise InputError(f"{where}: no such file, so there are no boxes to crop to")
    boxes = np.stack([manifest.table[side].to_numpy() for side in SIDES], axis=1)
    store = BoxCrops(manifest.root, manifest.names, boxes.astype(np.float32))
    table = manifest.table.append_column("place", pa.array(np.arange(len(manifest))))
    return replace(manifest, table=table, store=store)
