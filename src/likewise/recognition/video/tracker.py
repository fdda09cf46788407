"""The tracker: faces of one frame after another become tracks.

As in ByteTrack, certain detections are assigned first, and what is left of the tracks may continue
with weak ones. Boxes decide where they leave no doubt. Where they do (two faces near one place, a
face that was away, a look that has changed), the embeddings are asked; so few crops are embedded.

Source: Zhang et al., ByteTrack: Multi-Object Tracking by Associating Every Detection Box, ECCV
2022; overlap and appearance together: Wojke et al., Simple Online and Realtime Tracking with a
Deep Association Metric, ICIP 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from likewise.faces.detectors.suppression import overlaps
from likewise.faces.face import Face
from likewise.recognition.video.association import assign, distances
from likewise.recognition.video.crops import BestCrops, Crop, EmbedFaces, fill
from likewise.recognition.video.cuts import correlation
from likewise.recognition.video.tracks import Box, Track

__all__ = ["Tracker"]

LEAST_OVERLAP = 0.3  # of a face with where its track should be
LEAST_RIVAL = 0.1  # from which another face, or another track, leaves a doubt
LEAST_WEAK_OVERLAP = 0.5  # the same for a detection that is too weak to look at
REACH = 1.0  # box sides that a face may be off, and per second of absence as much again
LEAST_LOOK = 0.4  # correlation of two crops in a row; below it somebody else may have come


class Tracker:
    """Follows faces.

    Args:
        embed: from faces to vectors; None: boxes alone decide.
        same: the cosine from which two crops show the same person.
        max_gap: seconds for which a face may be away.
        most_crops: how many crops of a track are kept.
    """

    def __init__(
        self,
        embed: EmbedFaces | None = None,
        *,
        same: float = 0.4,
        max_gap: float = 1.0,
        most_crops: int = 5,
    ) -> None:
        self.embed, self.same = embed, same
        self.max_gap, self.most_crops = max_gap, most_crops
        self.active: list[Track] = []
        self.begun = 0

    def update(
        self, time: float, faces: Sequence[Face], weak: NDArray[np.floating] | None = None
    ) -> list[Track]:
        """Continue with the faces of a frame.

        Args:
            time: seconds, after that of the frame before.
            faces: what was certainly found.
            weak: boxes [M,4] of weak detections; they continue tracks, and begin none.

        Returns:
            The tracks that have ended.
        """
        crops = [Crop(face, time) for face in faces]
        boxes = np.array([face.box for face in faces], np.float64).reshape(-1, 4)
        expected = np.array([track.expected_box(time) for track in self.active]).reshape(-1, 4)
        seen: list[Track] = []
        free = set(range(len(crops)))
        waiting = set(range(len(self.active)))
        for row, column in assign(self._gains(time, expected, boxes, crops)):
            self.active[row].see(time, faces[column].box, crops[column])
            seen.append(self.active[row])
            free.remove(column)
            waiting.remove(row)
        seen += self._continue_weakly(time, sorted(waiting), expected, weak)
        for column in sorted(free):
            seen.append(self._begin(time, faces[column].box, crops[column]))
        for one, other in combinations(seen, 2):
            one.together.add(other.number)
            other.together.add(one.number)
        return self._end(time, seen)

    def cut(self) -> list[Track]:
        """The scene changes: all tracks end. Returns them."""
        ended, self.active = self.active, []
        return ended

    def _gains(
        self,
        time: float,
        expected: NDArray[np.float64],
        boxes: NDArray[np.float64],
        crops: Sequence[Crop],
    ) -> NDArray[np.float64]:
        """What each pair of a track and a face is worth; 0 where it cannot be."""
        overlap = overlaps(expected, boxes)
        near = overlap >= LEAST_OVERLAP
        if self.embed is None or not overlap.size:
            return np.where(near, overlap, 0)
        away = np.array([time - track.end for track in self.active])[:, None]
        far = distances(expected, boxes) <= REACH * (1 + away)
        possible = near | far
        rivals = overlap >= LEAST_RIVAL
        sure = near & (rivals.sum(axis=1, keepdims=True) == 1)
        sure &= rivals.sum(axis=0, keepdims=True) == 1
        for row, column in np.argwhere(sure).tolist():
            track = self.active[row]
            look = correlation(track.last.look, crops[column].look)
            sure[row, column] = not track.missed and look >= LEAST_LOOK
        settled = sure.any(axis=1, keepdims=True) | sure.any(axis=0, keepdims=True)
        doubtful = possible & ~settled
        cosine = self._cosines(doubtful, crops)
        # Where the place is right, half the likeness is enough: heads turn away.
        fits = np.where(near, cosine >= self.same / 2, cosine >= self.same)
        gains = np.where(sure, 1 + overlap, np.clip(overlap + cosine, 1e-6, None))
        return np.where(sure | (doubtful & fits), gains, 0)

    def _cosines(self, doubtful: NDArray[np.bool_], crops: Sequence[Crop]) -> NDArray[np.float64]:
        """The cosines of doubtful pairs of a track and a face; 0 elsewhere."""
        found = np.zeros(doubtful.shape)
        rows, columns = (np.flatnonzero(doubtful.any(axis=axis)).tolist() for axis in (1, 0))
        if not rows or self.embed is None:
            return found
        fill(
            [
                *(crops[column] for column in columns),
                *(crop for row in rows if (crop := _needed(self.active[row])) is not None),
            ],
            self.embed,
        )
        tracks = np.stack([_vector(self.active[row].reference()) for row in rows])
        faces = np.stack([_vector(crops[column].vector) for column in columns])
        found[np.ix_(rows, columns)] = tracks @ faces.T
        return found

    def _continue_weakly(
        self,
        time: float,
        waiting: Sequence[int],
        expected: NDArray[np.float64],
        weak: NDArray[np.floating] | None,
    ) -> list[Track]:
        """Tracks that are left continue with weak detections that lie where they should be."""
        if weak is None or not len(weak) or not waiting:
            return []
        overlap = overlaps(expected[list(waiting)], weak)
        continued = []
        for row, column in assign(np.where(overlap >= LEAST_WEAK_OVERLAP, overlap, 0)):
            track = self.active[waiting[row]]
            x, y, width, height = map(float, weak[column])
            track.see(time, (x, y, width, height))
            continued.append(track)
        return continued

    def _begin(self, time: float, box: Box, crop: Crop) -> Track:
        best = BestCrops(self.most_crops)
        best.add(crop)
        track = Track(self.begun, time, time, box, crop, best)
        self.begun += 1
        self.active.append(track)
        return track

    def _end(self, time: float, seen: Sequence[Track]) -> list[Track]:
        """Take out the tracks that were away too long, and return them."""
        there = {track.number for track in seen}
        ended: list[Track] = []
        kept: list[Track] = []
        for track in self.active:
            track.missed += track.number not in there
            # At a low rate, two frames without the face are longer than the time allowed.
            over = track.missed >= 2 and time - track.end > self.max_gap
            (ended if over else kept).append(track)
        self.active = kept
        return ended


def _needed(track: Track) -> Crop | None:
    """The crop to embed so that a track has a vector; None if it has one."""
    return track.best.best if track.reference() is None else None


def _vector(vector: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert vector is not None  # it was embedded just before
    return vector
