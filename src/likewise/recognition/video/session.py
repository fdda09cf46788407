"""Frames in, decided tracks out: detection, tracking and names, in memory that stays small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.faces.face import Face
from likewise.pages.pictures import jpeg
from likewise.recognition.gallery import Gallery
from likewise.recognition.video.crops import EmbedFaces, fill
from likewise.recognition.video.cuts import CutDetector
from likewise.recognition.video.frames import Frame
from likewise.recognition.video.grouping import group
from likewise.recognition.video.naming import Naming, SteadyName, one_name_at_a_time
from likewise.recognition.video.result import UNKNOWN, TrackResult
from likewise.recognition.video.tracker import Tracker
from likewise.recognition.video.tracks import Box, Track

__all__ = ["FindFaces", "Session"]

FIRST_DECISION = 3  # frames after which a track gets its first name; the next after 6, 12, 24, …
QUALITY = 90  # of the JPEG of a best crop: about 5 kB


class FindFaces(Protocol):
    """Finds faces, such as ``FrameFaces``."""

    def find(self, pixels: NDArray[np.uint8]) -> tuple[list[Face], NDArray[np.float32]]:
        """The faces of a frame uint8 [H,W,3], and the boxes [M,4] of weak detections."""
        ...


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is kept of a track: about 7 kB, whatever its length."""

    number: int
    start: float
    end: float
    frames: int
    together: set[int]
    best_time: float
    best_box: Box
    vector: NDArray[np.float32]
    picture: bytes
    naming: Naming | None


class Session:
    """Watches frame after frame.

    Args:
        finder: gives the faces of a frame.
        embed: from faces to vectors, such as ``Recognizer.embed``.
        gallery: gives names; None: tracks of the same person are numbered.
        same: the cosine from which two crops show the same person.
        min_frames: tracks that were seen in fewer frames are left out.
        on_name: called with the time and the name when a track gets another name.
    """

    def __init__(
        self,
        finder: FindFaces,
        embed: EmbedFaces,
        gallery: Gallery | None = None,
        *,
        same: float = 0.4,
        min_frames: int = 2,
        on_name: Callable[[float, str], None] | None = None,
    ) -> None:
        self._finder, self._embed, self._gallery = finder, embed, gallery
        self._same, self._min_frames, self._on_name = same, min_frames, on_name
        self._tracker = Tracker(embed, same=same)
        self._is_cut = CutDetector()
        self._ended: list[_Seen] = []
        self._names: dict[int, SteadyName] = {}
        self._asked: dict[int, list[float]] = {}  # the times of the crops that were asked about
        self.cuts = self.faces = 0
        self._too_short = 0

    @property
    def left_out(self) -> int:
        """Tracks that were seen in too few frames."""
        return self._too_short + sum(
            track.frames < self._min_frames for track in self._tracker.active
        )

    @property
    def tracks(self) -> int:
        """How many tracks there are so far."""
        return self._tracker.begun - self.left_out

    def look(self, frame: Frame) -> None:
        """Take in a frame."""
        if self._is_cut(frame.pixels):
            self.cuts += 1
            self._keep(self._tracker.cut())
        faces, weak = self._finder.find(frame.pixels)
        self.faces += len(faces)
        self._keep(self._tracker.update(frame.time, faces, weak))
        if self._gallery is not None:  # a name that can be told at once
            due = [track for track in self._tracker.active if _is_due(track)]
            self._decide(due, frame.time)

    def results(self) -> list[TrackResult]:
        """The tracks so far, those that go on among them, each with its decision."""
        going_on = [t for t in self._tracker.active if t.frames >= self._min_frames]
        seen = [*self._ended, *self._describe(going_on)]
        seen.sort(key=lambda one: (one.start, one.number))
        rows = {one.number: row for row, one in enumerate(seen)}
        together = [{rows[n] for n in one.together if n in rows} for one in seen]
        names, namings = self._names_of(seen, together)
        return [
            TrackResult(
                track=number,
                name=name,
                known=naming is not None and naming.name is not None,
                score=None if naming is None else naming.score,
                probability=None if naming is None else naming.probability,
                start=one.start,
                end=one.end,
                frames=one.frames,
                best_time=one.best_time,
                best_box=one.best_box,
                photo=None if naming is None else naming.photo,
                reason="" if naming is None else naming.reason,
                vector=one.vector,
                picture=one.picture,
            )
            for number, (one, name, naming) in enumerate(
                zip(seen, names, namings, strict=True), start=1
            )
        ]

    def _names_of(
        self, seen: Sequence[_Seen], together: Sequence[set[int]]
    ) -> tuple[list[str], list[Naming | None]]:
        """The name of each track, and the decision behind it if there is a gallery."""
        if self._gallery is not None:
            given = [one.naming for one in seen if one.naming is not None]
            decided = one_name_at_a_time(given, together)
            return [naming.name or UNKNOWN for naming in decided], list(decided)
        vectors = np.stack([one.vector for one in seen]) if seen else np.empty((0, 1))
        groups = group(vectors, self._same, together)
        return [f"person {number + 1}" for number in groups], [None] * len(seen)

    def _keep(self, ended: Sequence[Track]) -> None:
        """Keep what matters of tracks that have ended."""
        long = [track for track in ended if track.frames >= self._min_frames]
        self._too_short += len(ended) - len(long)
        self._ended += self._describe(long)
        for track in ended:
            self._names.pop(track.number, None)
            self._asked.pop(track.number, None)

    def _describe(self, tracks: Sequence[Track]) -> list[_Seen]:
        """Decide on tracks by all their best crops."""
        if not tracks:
            return []
        time = max(track.end for track in tracks)
        vectors = self._decide(tracks, time)
        found = []
        for track, vector in zip(tracks, vectors, strict=True):
            crop = track.best.best
            naming = self._names[track.number].now if track.number in self._names else None
            found.append(
                _Seen(
                    track.number,
                    track.start,
                    track.end,
                    track.frames,
                    track.together,
                    crop.time,
                    crop.face.box,
                    vector,
                    jpeg(Image.fromarray(crop.face.crop), QUALITY),
                    naming,
                )
            )
        return found

    def _decide(self, tracks: Sequence[Track], time: float) -> list[NDArray[np.float32]]:
        """Embed the best crops of some tracks, and ask the gallery; returns the mean vectors."""
        if not tracks:
            return []
        fill((crop for track in tracks for crop in track.best.crops), self._embed)
        vectors = []
        for track in tracks:
            mean = track.best.mean()
            assert mean is not None  # its crops have just been embedded
            vectors.append(mean)
        if self._gallery is not None:
            self._name(tracks, vectors, self._gallery, time)
        return vectors

    def _name(
        self,
        tracks: Sequence[Track],
        vectors: Sequence[NDArray[np.float32]],
        gallery: Gallery,
        time: float,
    ) -> None:
        """Ask the gallery about the tracks that have other crops than the last time."""
        times = [sorted(crop.time for crop in track.best.crops) for track in tracks]
        # The same crops again are no further evidence: a name is not changed by asking twice.
        new = [n for n, track in enumerate(tracks) if self._asked.get(track.number) != times[n]]
        if not new:
            return
        poor = [all(crop.poor for crop in tracks[n].best.crops) for n in new]
        answers = gallery.identify(np.stack([vectors[n] for n in new]), poor=poor)
        for n, answer in zip(new, answers, strict=True):
            number = tracks[n].number
            self._asked[number] = times[n]
            steady = self._names.setdefault(number, SteadyName())
            before = steady.now.name if steady.now is not None else None
            now = steady.update(answer).name
            if now is not None and now != before and self._on_name is not None:
                self._on_name(time, now)


def _is_due(track: Track) -> bool:
    """Whether a track that goes on is to be decided on again."""
    times, rest = divmod(track.frames, FIRST_DECISION)
    return not track.missed and rest == 0 and times & (times - 1) == 0
