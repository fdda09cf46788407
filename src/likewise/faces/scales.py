"""Detection at several sizes of a photo: large faces, small faces, and a vote on the doubtful ones.

A detector knows faces of some 10 to 480 pixels. A face that only one size of the photo shows is
seldom one: on WIDER FACE the mean score over two sizes gives a third fewer false faces than one
size, at the same recall.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.arguments import check_count, one_of
from likewise.errors import InputError
from likewise.faces.detectors.detector import Detections, Detector
from likewise.faces.detectors.suppression import overlaps

__all__ = ["Scales", "check_scales", "detect_at_scales"]

Scales = str | tuple[int, ...]
"""``auto``, ``all``, or the longest sides in pixels at which a photo is looked at."""

LEAST, MOST = 16.0, 480.0  # sides of a face, in pixels of the scaled photo, on which a scale votes
VOTERS = 2  # the largest of these scales; less detail is no further evidence
UNSEEN = 0.4  # the vote of a scale that should show a face and does not
SAME = 0.4  # intersection over union of two detections of one face
LOWEST = 0.3  # score from which a detection takes part in the vote
DOUBTFUL = 0.8  # score below which a second opinion is asked for
SMALL = 32.0  # pixels of a face's side below which a larger scale is asked
SHRUNK, ENLARGED = 0.4, 1.6  # the sizes beside the usual one
LARGEST = 2048  # pixels of the longest side that ``auto`` looks at; ``all`` twice as many
TILE, SHARED = 1536, 320  # sides of the parts of a large photo, and of what two of them share


def check_scales(scales: str | Sequence[int]) -> Scales:
    """The value of ``scales``, checked.

    Raises:
        InputError: another word than ``auto`` or ``all``, or a side that is no count from 32 to
            8192.
    """
    if isinstance(scales, str):
        return one_of("scales", scales, ("auto", "all"))
    if not isinstance(scales, Iterable):
        raise InputError(f"scales: {scales!r}; must be auto, all, or a list of longest sides")
    sides = tuple(check_count("scales", side, least=32, most=8192) for side in scales)
    if not sides:
        raise InputError("scales: none; name at least one longest side in pixels, or auto")
    return sides


def detect_at_scales(
    detector: Detector, photo: Image.Image, scales: Scales, longest_side: int, *, angle: int = 0
) -> Detections:
    """The detections in a photo, in its pixels, each face once; the best score first.

    ``auto`` looks at the photo at ``longest_side``, shrunk for close-ups, and enlarged if a face is
    small or doubtful, or if there is none. ``all`` looks at every size.

    Args:
        detector: finds the faces at one size.
        photo: RGB.
        scales: at which sizes to look.
        longest_side: of the usual size; a smaller photo is not enlarged to it.
        angle: degrees counter-clockwise, a multiple of 90, by which the photo is turned first; the
            detections are in pixels of the turned photo.
    """
    at = partial(_at, detector, photo, angle)
    longest = max(photo.size)
    usual = min(longest, longest_side)
    if not isinstance(scales, str):
        return _merged([at(side) for side in sorted(set(scales))], longest)
    looks = [at(usual)]
    shrunk = round(usual * SHRUNK)
    # A photo that was shrunk has the pixels; a smaller one is enlarged.
    enlarged = min(longest if usual < longest else LARGEST, round(usual * ENLARGED), LARGEST)
    if shrunk >= 256 or scales == "all":
        looks.append(at(max(shrunk, 32)))
    if scales == "all":
        sides = {enlarged, min(round(usual * ENLARGED**2), 2 * LARGEST)} - {usual}
        looks += [at(side) for side in sorted(sides)]
    elif enlarged > usual and _wants_more(_merged(looks, longest), usual / longest):
        looks.append(at(enlarged))
    return _merged(looks, longest)


def _wants_more(found: Detections, scale: float) -> bool:
    """Whether a larger size may show more than the usual one, of this scale."""
    if not len(found.scores):
        return True
    sides = found.boxes[:, 2:].max(1) * scale
    return bool(((found.scores < DOUBTFUL) | (sides < SMALL)).any())


def _at(detector: Detector, photo: Image.Image, angle: int, side: int) -> tuple[int, Detections]:
    """The longest side, and the detections in a photo scaled to it, in pixels of the photo."""
    scale = side / max(photo.size)
    width, height = (max(1, round(length * scale)) for length in photo.size)
    if scale < 1:
        scaled = photo.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    elif scale > 1:
        scaled = photo.resize((width, height), Image.Resampling.BICUBIC)
    else:
        scaled = photo
    if angle:  # not before it is shrunk: a turned copy of a large photo takes as much memory again
        scaled = scaled.rotate(angle, expand=True)
    lowest = min(LOWEST, detector.least_score)
    return side, _in_tiles(detector, scaled, lowest).moved(1 / scale)


def _in_tiles(detector: Detector, photo: Image.Image, lowest: float) -> Detections:
    """The detections in a photo; a large one is looked at part by part, in bounded memory."""
    if max(photo.size) <= LARGEST:
        return Detections.checked(detector.detect(np.asarray(photo), lowest), detector.name)
    parts = []
    for left, right in _spans(photo.width):
        for top, bottom in _spans(photo.height):
            tile = photo.crop((left, top, right, bottom))
            found = Detections.checked(detector.detect(np.asarray(tile), lowest), detector.name)
            found = found.moved(1.0, (left, top))
            x, y = (found.boxes[:, :2] + found.boxes[:, 2:] / 2).T
            # Each part answers for the faces in its middle; its margins lie in other parts too.
            mine = _inside(x, left, right, photo.width) & _inside(y, top, bottom, photo.height)
            parts.append(found.take(mine))
    return Detections.joined(parts)


def _spans(length: int) -> list[tuple[int, int]]:
    """The first and the last pixel of the parts of a side; two neighbours share some pixels."""
    step = TILE - SHARED
    count = max(1, -(-(length - SHARED) // step))
    return [(k * step, min(k * step + TILE, length)) for k in range(count)]


def _inside(places: NDArray[np.float32], low: int, high: int, length: int) -> NDArray[np.bool_]:
    first = low + SHARED / 2 if low else -np.inf
    last = high - SHARED / 2 if high < length else np.inf
    inside: NDArray[np.bool_] = (places >= first) & (places < last)
    return inside


def _merged(looks: list[tuple[int, Detections]], longest: int) -> Detections:
    """One detection a face: the box of its best score, and the mean score of the scales that vote.

    Args:
        looks: the longest side of each scale, and its detections in pixels of the photo.
        longest: side of the photo.
    """
    if len(looks) == 1:
        return looks[0][1]
    found = Detections.joined(part for _, part in looks)
    scale_of = np.repeat(np.arange(len(looks)), [len(part.scores) for _, part in looks])
    factors = np.array([side / longest for side, _ in looks])
    # A face is best described by a scale that shows it in a size that the detector knows.
    sides = found.boxes[:, 2:].max(1)
    known = _known(sides * factors[scale_of])
    left = np.lexsort((-found.scores, ~known))
    kept, scores = [], []
    while len(left):
        best = left[0]
        near = overlaps(found.boxes[best][None], found.boxes[left])[0] > SAME
        near[0] = True
        group, left = left[near], left[~near]
        votes = []
        visible = np.flatnonzero(_known(sides[best] * factors))
        for number in visible[np.argsort(-factors[visible], kind="stable")][:VOTERS]:
            own = group[scale_of[group] == number]
            votes.append(float(found.scores[own].max()) if len(own) else UNSEEN)
        kept.append(best)
        scores.append(np.mean(votes) if votes else found.scores[best])
    merged = found.take(np.array(kept, np.intp))._replace(scores=np.array(scores, np.float32))
    return merged.take(np.argsort(-merged.scores, kind="stable"))


def _known(sides: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether the detector knows faces of these sides in pixels."""
    known: NDArray[np.bool_] = (sides >= LEAST) & (sides <= MOST)
    return known
