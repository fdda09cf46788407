"""Tracks: one face followed through the frames of a shot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from likewise.recognition.video.crops import BestCrops, Crop

__all__ = ["Box", "Track"]

Box = tuple[float, float, float, float]


@dataclass(eq=False)
class Track:
    """A face that is followed.

    Args:
        number: in the order of beginning.
        start: seconds, the first frame.
        end: seconds, the last frame so far.
        box: in the last frame.
        last: its crop of the last frame with a certain detection.
        best: its best crops.
        frames: how many frames it was seen in.
        missed: how many frames have passed since.
        together: the numbers of the tracks that were seen in the same frame.
    """

    number: int
    start: float
    end: float
    box: Box
    last: Crop
    best: BestCrops
    frames: int = 1
    missed: int = 0
    together: set[int] = field(default_factory=set)
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def expected_box(self, time: float) -> Box:
        """Where the box is at a later time, if the face moves on as before."""
        x, y, width, height = self.box
        side = max(width, height)
        move = np.clip(self.speed * (time - self.end), -side, side)
        return (x + float(move[0]), y + float(move[1]), width, height)

    def see(self, time: float, box: Box, crop: Crop | None = None) -> None:
        """Continue with a frame; without a crop the detection was too weak to show a face well."""
        passed = time - self.end
        if passed > 0:
            centre = [np.array(b[:2]) + np.array(b[2:]) / 2 for b in (self.box, box)]
            # Half of it is new: one detection that is a little off does not throw the face away.
            self.speed = 0.5 * self.speed + 0.5 * (centre[1] - centre[0]) / passed
        self.end, self.box, self.missed = time, box, 0
        self.frames += 1
        if crop is not None:
            self.last = crop
            self.best.add(crop)

    def reference(self) -> NDArray[np.float32] | None:
        """A vector to compare with; None if no crop is embedded."""
        mean = self.best.mean()
        if mean is None:
            return self.last.vector
        return mean
