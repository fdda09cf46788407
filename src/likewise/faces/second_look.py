"""A second look at a doubtful face: turned upright, cut out, and detected once more.

The points of a turned face are wrong unless it is turned back, and a wrong turn destroys the
identity without a word. So every likely turn is tried: the face is moved to where an upright one
would lie, the detector and the landmarker look at it there, and the turn with the best scores of
both is the right one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.faces.alignment.crop import cut
from likewise.faces.alignment.similarity import apply, invert, similarity_transform
from likewise.faces.alignment.templates import TEMPLATES
from likewise.faces.detectors.detector import Detections, Detector
from likewise.faces.landmarks.averaged import locate_averaged
from likewise.faces.landmarks.landmarker import Landmarker, Landmarks
from likewise.faces.landmarks.turns import TURNS, between, turn_of

__all__ = ["Look", "likely_turns", "look_again"]

SIDE = 128  # pixels of the cut
# The face fills half of it: the detector needs its surroundings.
PLACES = (TEMPLATES["arcface"].at(112) - 56) * 0.55 + SIDE / 2
LIKELY = 0.3  # score of the landmarks from which a turn is worth a second look
MOST = 4  # turns of a face that are looked at again
APART = 20.0  # degrees by which two turns differ; nearer ones are one
NEAR = 0.75  # distances between the eyes, as a mean of the points, at which it is the same face


class Look(NamedTuple):
    """What the second look at a face gave.

    Args:
        points: float32 [5,2], pixels of the photo.
        score: of the detector, from 0 to 1; 0 if it does not see the face.
        landmark_score: from 0 to 1.
        turn: degrees clockwise.
    """

    points: NDArray[np.float32]
    score: float
    landmark_score: float
    turn: float

    @property
    def evidence(self) -> float:
        """By which turns are compared."""
        return self.score + self.landmark_score


def likely_turns(
    landmarker: Landmarker,
    photo: Image.Image,
    boxes: NDArray[np.float32],
    upright: Landmarks,
) -> list[list[NDArray[np.float32]]]:
    """For each box the points [5,2] at its likely turns, best first.

    Args:
        landmarker: is asked at each of ``TURNS``, and again with the eyes level.
        photo: RGB.
        boxes: float32 [N,4].
        upright: what it said of the boxes as they are.
    """
    others = np.array([turn for turn in TURNS if turn], np.float32)
    rows = np.repeat(np.arange(len(boxes)), len(others))
    turned = landmarker.locate(photo, boxes[rows], np.tile(others, len(boxes)))
    rows = np.concatenate([np.arange(len(boxes)), rows])
    first = Landmarks(*(np.concatenate(pair) for pair in zip(upright, turned, strict=True)))
    # The points are most exact where the eyes are level.
    level = landmarker.locate(photo, boxes[rows], first.turns)
    likely: list[list[NDArray[np.float32]]] = []
    for box in range(len(boxes)):
        mine = np.flatnonzero(rows == box)
        mine = mine[np.maximum(first.scores, level.scores)[mine] >= LIKELY]
        mine = mine[np.argsort(-(first.scores + level.scores)[mine], kind="stable")]
        chosen: list[int] = []
        for row in mine:
            angle = float(level.turns[row])
            if all(between(angle, float(level.turns[one])) >= APART for one in chosen):
                chosen.append(int(row))
        likely.append([level.points[row] for row in chosen[:MOST]])
    return likely


def look_again(
    detector: Detector,
    landmarker: Landmarker,
    photo: Image.Image,
    likely: list[NDArray[np.float32]],
    lowest: float = 0.3,
) -> list[Look]:
    """The likely turns of a face at which the detector sees it, best first.

    Args:
        detector: is asked for a face where the points say that it is.
        landmarker: is asked for its points, in the box that the detector gives.
        photo: RGB.
        likely: points [5,2] of each turn.
        lowest: score of the detector from which it counts.
    """
    looks = []
    for points in likely:
        if np.ptp(points, axis=0).max() < 1.0:  # all in one place: no transform fits
            continue
        matrix = similarity_transform(points, PLACES)
        pixels = cut(photo, matrix, SIDE)
        found = Detections.checked(detector.detect(pixels, lowest), detector.name)
        apart = np.linalg.norm(found.points - PLACES, axis=2).mean(1) / (PLACES[1] - PLACES[0])[0]
        near = np.flatnonzero(apart <= NEAR)
        if not len(near):
            continue
        best = near[np.argmax(found.scores[near])]
        seen = locate_averaged(landmarker, Image.fromarray(pixels), found.boxes[best][None])
        back = apply(invert(matrix), seen.points[0]).astype(np.float32)
        scores = float(found.scores[best]), float(seen.scores[0])
        looks.append(Look(back, *scores, turn_of(back)))
    return sorted(looks, key=lambda look: -look.evidence)
