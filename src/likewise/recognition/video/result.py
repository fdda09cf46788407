"""What watching a video gives: the tracks with their names, and what was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.recognition.video.tracks import Box

__all__ = ["UNKNOWN", "TrackResult", "Watched", "clock"]

UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class TrackResult:
    """A face that was followed through some frames, and the decision on it.

    Args:
        track: its number, from 1, in the order of appearance.
        name: of the gallery, or ``unknown``; without a gallery ``person 1``, ``person 2``, …: the
            same for tracks that show the same person.
        known: whether the name is of the gallery.
        score: of the best match in the gallery; None without a gallery.
        probability: that the best match is right; None without a gallery or a calibration.
        start: seconds, its first frame.
        end: seconds, its last frame.
        frames: in how many of the frames that were looked at it was seen.
        best_time: seconds, the frame of its best crop.
        best_box: x, y, width and height in that frame, in pixels.
        photo: of the gallery, the one that is most like the face.
        reason: why the name of the best match was not given; empty if it was.
        vector: float32 [D], the quality-weighted mean of its best crops, of unit length.
        picture: its best crop, a JPEG.
    """

    track: int
    name: str
    known: bool
    score: float | None
    probability: float | None
    start: float
    end: float
    frames: int
    best_time: float
    best_box: Box
    photo: str | None = None
    reason: str = ""
    vector: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    picture: bytes = field(default=b"", repr=False)

    @property
    def record(self) -> dict[str, Any]:
        """The values for a table, without the vector and the picture."""
        return {
            "track": self.track,
            "name": self.name,
            "probability": None if self.probability is None else round(self.probability, 6),
            "score": None if self.score is None else round(self.score, 4),
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "frames": self.frames,
            "best_time": round(self.best_time, 3),
            "best_box": [round(value, 1) for value in self.best_box],
            "photo": self.photo,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Watched:
    """A video that was watched.

    Args:
        video: as it was named, without a password.
        tracks: in the order of appearance.
        seconds: of video that were read.
        frames: that were looked at.
        decoded: that were read.
        damaged: packets and frames that could not be decoded.
        cuts: where the scene changed.
        left_out: faces that were seen in too few frames to be a track.
        elapsed: seconds that the watching took.
        ended_early: why reading ended before the end; empty if it did not.
        interrupted: whether Ctrl-C ended it.
        live: whether it was a camera or a stream, which goes at its own pace.
        gallery: whether the names are those of a gallery.
        gallery_notes: what of the gallery could not be used, in sentences.
    """

    video: str
    tracks: tuple[TrackResult, ...]
    seconds: float
    frames: int
    decoded: int
    damaged: int = 0
    cuts: int = 0
    left_out: int = 0
    elapsed: float = 0.0
    ended_early: str = ""
    interrupted: bool = False
    live: bool = False
    gallery: bool = False
    gallery_notes: tuple[str, ...] = ()

    @property
    def realtime(self) -> float:
        """Seconds of video for each second of work."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    @property
    def people(self) -> list[str]:
        """The names, in the order of appearance; ``unknown`` is not among them."""
        return list(dict.fromkeys(track.name for track in self.tracks if track.name != UNKNOWN))

    @property
    def record(self) -> dict[str, Any]:
        """All values for JSON, without vectors and pictures."""
        return {
            "video": self.video,
            "seconds": round(self.seconds, 3),
            "frames": self.frames,
            "decoded": self.decoded,
            "damaged": self.damaged,
            "cuts": self.cuts,
            "left_out": self.left_out,
            "elapsed": round(self.elapsed, 3),
            "realtime": round(self.realtime, 3),
            "ended_early": self.ended_early,
            "interrupted": self.interrupted,
            "gallery": self.gallery,
            "gallery_notes": list(self.gallery_notes),
            "people": self.people,
            "tracks": [track.record for track in self.tracks],
        }

    def summary(self) -> list[str]:
        """What was seen, in sentences."""
        lines = list(self.gallery_notes)
        if self.tracks:
            names = len(self.people)
            people = f"{names:,} {'person' if names == 1 else 'people'}"
            if self.gallery:
                unknown = sum(not track.known for track in self.tracks)
                people += " of the gallery"
                people += f", {unknown:,} unknown track{'s' * (unknown != 1)}" * bool(unknown)
            count = len(self.tracks)
            lines.append(f"{count:,} track{'s' * (count != 1)} of faces: {people}")
        elif not self.left_out:
            lines.append("no faces")
        if self.left_out:
            lines.append(
                f"left out: {self.left_out:,} face{'s' * (self.left_out != 1)} seen in too few "
                "frames (to keep them: --min-frames 1)"
            )
        looked = f"looked at {self.frames:,} of {self.decoded:,} frames, {clock(self.seconds)}"
        if self.elapsed and not self.live:
            looked += f", in {self.elapsed:.1f} s: {self.realtime:.1f} × real time"
        lines.append(looked)
        if self.damaged:
            lines.append(f"damaged packets or frames that were passed over: {self.damaged:,}")
        if self.ended_early:
            lines.append(self.ended_early)
        if self.interrupted and not self.live:
            lines.append(f"interrupted after {clock(self.seconds)}")
        return lines


def clock(seconds: float) -> str:
    """A time in a video.

    Example:
        >>> from likewise.recognition.video.result import clock
        >>> clock(7.25), clock(3725)
        ('0:07.2', '1:02:05.0')
    """
    tenths = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02d}.{rest % 10}"
