"""The faces of a photo before they are cut out: boxes, points and turns of what passes the gate."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.faces.detectors.detector import Detections, Detector
from likewise.faces.detectors.suppression import overlaps
from likewise.faces.gate import Gate, Rejected
from likewise.faces.landmarks.averaged import locate_averaged
from likewise.faces.landmarks.landmarker import Landmarker, Landmarks
from likewise.faces.landmarks.turns import between
from likewise.faces.scales import SHRUNK, Scales, detect_at_scales
from likewise.faces.second_look import Look, likely_turns, look_again

__all__ = ["Candidates", "candidates_of"]

SETTLED = 0.98  # score of the landmarks from which an upright face needs no second look
LEVEL = 10.0  # degrees of turn up to which it is upright
# A face on its head can look like one upright to either network, but not to both alike.
SURE = 0.9  # score of the detector
AGREED = 0.15  # distances between the eyes, from the detector's points to the landmarks
CONVINCING = 0.8  # scores; a photo without such a face is turned, for its faces may be
RIGHT_ANGLES = (90, 270, 180)  # degrees counter-clockwise by which a photo is turned
MAIN = 0.06  # of the longest side: a face there that is smaller is a picture that lies about
STRICTER = 0.15  # added to the threshold there: each further look can bring a false face
SAME = 0.3  # intersection over union of two boxes of one face


class Candidates(NamedTuple):
    """The faces of a photo, and what was turned down.

    Args:
        boxes: float32 [N,4]: x, y, width and height in pixels of the photo.
        points: float32 [N,5,2].
        scores: float32 [N], of the detector.
        landmark_scores: float32 [N].
        turns: float32 [N]: degrees clockwise.
        rejected: best score first.
    """

    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmark_scores: NDArray[np.float32]
    turns: NDArray[np.float32]
    rejected: tuple[Rejected, ...]

    @property
    def convincing(self) -> bool:
        """Whether a face is among them that both networks are sure of."""
        sure = (self.scores >= CONVINCING) & (self.landmark_scores >= CONVINCING)
        return bool(sure.any())

    def with_faces_of(self, other: Candidates) -> Candidates:
        """These, and the faces of ``other`` that are not among them."""
        if not len(other.scores):
            return self
        new = np.ones(len(other.scores), bool)
        if len(self.scores):
            new = overlaps(other.boxes, self.boxes).max(1) <= SAME
        return Candidates(
            np.concatenate([self.boxes, other.boxes[new]]),
            np.concatenate([self.points, other.points[new]]),
            np.concatenate([self.scores, other.scores[new]]),
            np.concatenate([self.landmark_scores, other.landmark_scores[new]]),
            np.concatenate([self.turns, other.turns[new]]),
            self.rejected,
        )


def candidates_of(
    photo: Image.Image,
    detector: Detector,
    landmarker: Landmarker,
    gate: Gate,
    *,
    scales: Scales,
    longest_side: int,
) -> Candidates:
    """The faces of a photo; it is also looked at on its side, or on its head, if it seems turned.

    Args:
        photo: RGB, upright as far as its file tells.
        detector: gives boxes.
        landmarker: gives points.
        gate: tells faces from other things.
        scales: see ``detect_at_scales``.
        longest_side: see ``detect_at_scales``.
    """

    def found_at(angle: int, gate: Gate = gate, scales: Scales = scales) -> Candidates:
        detections = detect_at_scales(detector, photo, scales, longest_side, angle=angle)
        if angle:
            detections = _turned_back(detections, angle, photo.size)
        return _judged(photo, detections, detector, landmarker, gate)

    found = found_at(0)
    if found.convincing:
        # Detectors miss some of the faces that lie on their side; the turn of the others tells.
        angle = round(float(np.median(found.turns)) / 90) * 90 % 360
        return found.with_faces_of(found_at(angle)) if angle else found
    longest = max(photo.size)
    strict = replace(gate, least_score=min(gate.least_score + STRICTER, 0.95))
    if scales == "auto":
        usual = min(longest, longest_side)
        strict = replace(strict, least_side=max(gate.least_side, MAIN * longest))
        scales = (max(32, round(usual * SHRUNK)), usual)
    for angle in RIGHT_ANGLES:
        turned = found_at(angle, strict, scales)
        if turned.convincing or len(turned.scores) > len(found.scores) == 0:
            return turned._replace(rejected=found.rejected).with_faces_of(found)
    return found


def _judged(
    photo: Image.Image,
    detections: Detections,
    detector: Detector,
    landmarker: Landmarker,
    gate: Gate,
) -> Candidates:
    """The detections with their points, a second look at the doubtful ones, and the verdicts."""
    sides = detections.boxes[:, 2:].max(1, initial=0)
    refused = [gate.refuses(*pair) for pair in zip(sides, detections.scores, strict=True)]
    rejected = [
        Rejected(_tuple(detections.boxes[row]), float(detections.scores[row]), 0.0, reason)
        for row, reason in enumerate(refused)
        if reason
    ]
    hopeful = detections.take(np.array([not reason for reason in refused], bool))
    kept: list[tuple[int, Look]] = []
    for row, looks in enumerate(_looks(photo, hopeful, detector, landmarker)):
        box, score = _tuple(hopeful.boxes[row]), float(hopeful.scores[row])
        reasons = [gate.reason(max(box[2:]), score, look) for look in looks]
        if "" in reasons:
            kept.append((row, looks[reasons.index("")]))
        else:
            rejected.append(Rejected(box, score, looks[0].landmark_score, reasons[0]))
    rows = np.array([row for row, _ in kept], np.intp)
    return Candidates(
        hopeful.boxes[rows],
        np.array([look.points for _, look in kept], np.float32).reshape(-1, 5, 2),
        hopeful.scores[rows],
        np.array([look.landmark_score for _, look in kept], np.float32),
        np.array([look.turn for _, look in kept], np.float32),
        tuple(sorted(rejected, key=lambda one: -one.score)),
    )


def _looks(
    photo: Image.Image, found: Detections, detector: Detector, landmarker: Landmarker
) -> list[list[Look]]:
    """For each detection its points, at the best turn first."""
    upright = landmarker.locate(photo, found.boxes)
    settled = _settled(found, upright)
    looks = [
        # Its own place comes last: a small face is often not seen once more. The detector gave no
        # second score, so it can only be upright.
        [Look(points, 0.0, float(score), float(turn))]
        for points, score, turn in zip(*upright, strict=True)
    ]
    exact = locate_averaged(landmarker, photo, found.boxes[settled])
    for row, points in zip(np.flatnonzero(settled), exact.points, strict=True):
        looks[row][0] = looks[row][0]._replace(points=points)
    doubtful = np.flatnonzero(~settled)
    likely = likely_turns(landmarker, photo, found.boxes[doubtful], upright.take(doubtful))
    for row, turned in zip(doubtful, likely, strict=True):
        looks[row] = look_again(detector, landmarker, photo, turned) + looks[row]
    return looks


def _settled(found: Detections, landmarks: Landmarks) -> NDArray[np.bool_]:
    """Which faces are upright beyond doubt."""
    upright = np.array([between(float(turn), 0.0) <= LEVEL for turn in landmarks.turns], bool)
    eyes = np.linalg.norm(landmarks.points[:, 1] - landmarks.points[:, 0], axis=1)
    apart = np.linalg.norm(landmarks.points - found.points, axis=2).mean(1)
    agreed = (found.scores >= SURE) | (apart <= AGREED * eyes)
    settled: NDArray[np.bool_] = upright & agreed & (landmarks.scores >= SETTLED)
    return settled


def _tuple(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x, y, width, height = map(float, box)
    return x, y, width, height


def _turned_back(found: Detections, angle: int, size: tuple[int, int]) -> Detections:
    """Detections in a photo turned counter-clockwise by ``angle``, in pixels of the photo."""
    width, height = size

    def back(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        places = {90: (width - y, x), 180: (width - x, height - y), 270: (y, height - x)}[angle]
        return np.stack(places, axis=-1)

    one = back(found.boxes[:, 0], found.boxes[:, 1])
    other = back(*(found.boxes[:, :2] + found.boxes[:, 2:]).T)
    low = np.minimum(one, other)
    boxes = np.concatenate([low, np.maximum(one, other) - low], axis=1)
    return Detections(boxes, back(found.points[..., 0], found.points[..., 1]), found.scores)
