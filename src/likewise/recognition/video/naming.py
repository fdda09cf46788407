"""The name of a track: steady while it grows, and never that of somebody else in the picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from likewise.recognition.gallery import Answer

__all__ = ["Naming", "SteadyName", "one_name_at_a_time"]

SLACK = 0.05  # by which the score of a name may fall below the threshold before it is given up


@dataclass(frozen=True)
class Naming:
    """The decision on a track.

    Args:
        name: None: unknown.
        score: of the best match; None in an empty gallery.
        probability: that the best match is right, if the model is calibrated.
        photo: of the gallery, the one that is most like the face.
        reason: why the name of the best match was not given; empty if it was.
    """

    name: str | None
    score: float | None
    probability: float | None = None
    photo: str | None = None
    reason: str = ""

    @property
    def height(self) -> float:
        """The score for comparisons."""
        return -np.inf if self.score is None else self.score


class SteadyName:
    """A name with hysteresis: taken at the threshold of the gallery, given up a little below.

    Another name takes its place if it scores higher than the present one did at its best, or twice
    in a row.
    """

    def __init__(self) -> None:
        self.now: Naming | None = None
        self._at_best = -np.inf
        self._rival: str | None = None
        self._taken_at = np.inf

    def update(self, answer: Answer) -> Naming:
        """Take in an answer about more crops; returns the name that holds now."""
        new = Naming(answer.name, answer.score, answer.probability, answer.photo, answer.note)
        now = self.now
        if now is None or now.name is None or new.name == now.name:
            self._take(new)
        elif new.name is None:
            # The score is of the best match, which may be somebody else; then it is lower still.
            if new.height < self._taken_at - SLACK:
                self._take(new)
        elif new.height > self._at_best or new.name == self._rival:
            self._take(new)
        else:
            self._rival = new.name
        assert self.now is not None
        return self.now

    def _take(self, new: Naming) -> None:
        if self.now is None or new.name != self.now.name:
            self._at_best = -np.inf
            self._taken_at = np.inf
        self.now, self._rival = new, None
        self._at_best = max(self._at_best, new.height)
        self._taken_at = min(self._taken_at, new.height)


def one_name_at_a_time(
    namings: Sequence[Naming], together: Sequence[Collection[int]]
) -> list[Naming]:
    """Nobody is in a picture twice: of tracks seen at once, the best match keeps a name.

    Args:
        namings: one for each track.
        together: for each track the rows of the others that were seen in the same frame.
    """
    decided = list(namings)
    kept: dict[int, str] = {}
    for row in sorted(range(len(decided)), key=lambda row: -namings[row].height):
        name = namings[row].name
        if name is None:
            continue
        if all(kept.get(other) != name for other in together[row]):
            kept[row] = name
        else:
            reason = f"{name} is in the same picture, with a higher score"
            decided[row] = replace(namings[row], name=None, reason=reason)
    return decided
