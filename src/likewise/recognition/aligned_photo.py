"""A photo that is a crop already, aligned to a template: it is taken as it is."""

from __future__ import annotations

import numpy as np
from PIL import Image

from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder
from likewise.faces.quality.assess import assess

__all__ = ["face_of_aligned"]

FARTHEST = 0.06  # of the side: how far a point may lie from its place, as a mean of the five
SURE = 0.9  # of the landmarks, from which a small square photo counts as a face


def face_of_aligned(photo: Image.Image, finder: FaceFinder) -> Face | None:
    """The face of a photo that has the size of a crop, with its points at the template's places.

    To align it again would only blur it.

    Args:
        photo: RGB.
        finder: whose template and size count.

    Returns:
        None if it is another photo: its faces have to be found.
    """
    size = finder.size
    if photo.size != (size, size):
        return None
    places = finder.template.at(size)
    low, high = places.min(0), places.max(0)
    # The points of the template span half of the box that a detector gives.
    middle, side = (low + high) / 2, 2.0 * float((high - low).max())
    box = np.array([[*(middle - side / 2), side, side]], np.float32)
    found = finder.landmarker.locate(photo, box)
    points, score = found.points[0], float(found.scores[0])
    apart = float(np.linalg.norm(points - places, axis=1).mean())
    if score < SURE or apart > FARTHEST * size:
        return None
    crop = np.asarray(photo)
    turn = float(found.turns[0])
    signals, reasons = assess(points, crop, score, score, turn)
    x, y, width, height = map(float, box[0])
    return Face((x, y, width, height), points, score, score, turn, crop, reasons, signals)
