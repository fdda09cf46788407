"""A gallery of known people: who is it, if anyone?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from likewise.arguments import check_number
from likewise.errors import InputError
from likewise.models.calibration import Calibration
from likewise.recognition.open_set import OpenSetThreshold

__all__ = ["Answer", "Candidate", "Gallery", "one_person_once"]

CANDIDATES = 5  # people that are named with an answer
BLOCK = 256  # vectors compared at a time


@dataclass(frozen=True)
class Candidate:
    """A person of the gallery that a face was compared with.

    Args:
        name: of the person.
        score: cosine; higher is more alike.
        photo: the photo of the person that is most like the face.
        poor: all photos of the person are poor (small, blurred, …).
    """

    name: str
    score: float
    photo: str
    poor: bool = False


@dataclass(frozen=True)
class Answer:
    """Who a face is.

    Args:
        name: of the person; None if unknown.
        score: of the person, or of the most similar one if unknown; None in an empty gallery.
        probability: that the face shows this person; None without a calibration, and where it is
            another face of the photo that is most like someone.
        photo: the photo of the gallery that is most like it.
        candidates: the most similar people, best first, whether or not they reach the threshold.
        note: why a face that is like someone is not named so; empty otherwise.
    """

    name: str | None
    score: float | None = None
    probability: float | None = None
    photo: str | None = None
    candidates: tuple[Candidate, ...] = ()
    note: str = ""

    @property
    def second(self) -> Candidate | None:
        """The most similar person beside the one that is named, or the second most similar."""
        others = [some for some in self.candidates if some.name != self.name]
        if self.name is None:
            others = others[1:]
        return others[0] if others else None


class Gallery(ABC):
    """Known people, with a threshold from which a face is named.

    Args:
        threshold: from ``open_set_threshold``.
        calibration: of the model, for probabilities.
        prior: the probability that a face shows someone of the gallery before it is looked at; it
            is shared equally among the people.

    Raises:
        InputError: the prior is not between 0 and 1.
    """

    def __init__(
        self,
        threshold: OpenSetThreshold,
        calibration: Calibration | None = None,
        prior: float = 0.5,
    ) -> None:
        self.threshold = threshold
        self.calibration = calibration
        self.prior = check_number("prior", prior, above=0, below=1)

    @property
    @abstractmethod
    def people(self) -> int:
        """The number of people."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """D, the numbers in a vector."""

    @abstractmethod
    def nearest(self, vectors: NDArray[np.float32], count: int) -> list[list[Candidate]]:
        """The most similar people of each vector [N,D], best first; each person once.

        Args:
            vectors: of unit length.
            count: of people; fewer if there are fewer.
        """

    def identify(
        self, vectors: ArrayLike, *, same_photo: bool = False, poor: Sequence[bool] | None = None
    ) -> list[Answer]:
        """Who each face is.

        The probability is that of the person among all candidates and a stranger, by Bayes' rule
        from the calibrated scores.

        Args:
            vectors: float32 [N,D], of unit length: the faces.
            same_photo: they are of one photo, so nobody is named twice: people are assigned to
                faces so that the sum of scores above the threshold is the largest.
            poor: which faces are poor; such a face is not named after a person of whom all photos
                are poor, because poor faces look alike.

        Raises:
            InputError: the vectors have another dimension than the gallery.
        """
        rows = np.asarray(vectors, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise InputError(
                f"vectors: shape {list(rows.shape)}; must be [N,{self.dimension}], by the model of "
                "the gallery"
            )
        bad = [False] * len(rows) if poor is None else list(poor)
        count = max(CANDIDATES, len(rows) + 1 if same_photo else 0)
        found: list[list[Candidate]] = []
        for start in range(0, len(rows), BLOCK):
            found += self.nearest(rows[start : start + BLOCK], count)
        allowed = [
            [some for some in one if self._allows(some, is_poor)]
            for one, is_poor in zip(found, bad, strict=True)
        ]
        if same_photo:
            chosen = one_person_once(allowed, self.threshold.threshold)
        else:
            chosen = [one[0] if one else None for one in allowed]
        return [
            self._answer(one, could, who, is_poor)
            for one, could, who, is_poor in zip(found, allowed, chosen, bad, strict=True)
        ]

    def _allows(self, candidate: Candidate, poor: bool) -> bool:
        return candidate.score >= self.threshold.threshold and not (poor and candidate.poor)

    def _answer(
        self, found: list[Candidate], allowed: list[Candidate], chosen: Candidate | None, poor: bool
    ) -> Answer:
        if not found:
            return Answer(None)
        shown = chosen or found[0]
        note, probability = "", self._probability(found, shown)
        if allowed and (chosen is None or chosen.name != allowed[0].name):
            note = f"like {allowed[0].name}, who is another face of this photo"
            probability = None  # it was of a face alone
        elif chosen is None and shown.score >= self.threshold.threshold:
            note = f"like {shown.name}, but all photos of {shown.name} are poor, and so is this"
        elif chosen is None and poor:
            note = "a better photo may be recognised"
        few = tuple(found[:CANDIDATES])
        if chosen is not None and chosen not in few:
            few = (*few[:-1], chosen)
        return Answer(
            None if chosen is None else chosen.name,
            shown.score,
            probability,
            shown.photo,
            few,
            note,
        )

    def _probability(self, found: list[Candidate], shown: Candidate) -> float | None:
        """By Bayes' rule: each person has the prior p/P, and a stranger 1 - p."""
        if self.calibration is None:
            return None
        ratios = self.calibration.log_likelihood_ratios([some.score for some in found])
        share = np.log(self.prior / self.people)
        weights = np.append(ratios + share, np.log1p(-self.prior))
        return float(np.exp(weights[found.index(shown)] - np.logaddexp.reduce(weights)))


def one_person_once(
    candidates: Sequence[Sequence[Candidate]], threshold: float
) -> list[Candidate | None]:
    """Give each face at most one person, and each person at most one face.

    The assignment has the largest sum of scores above the threshold (Kuhn, 1955).

    Args:
        candidates: of each face.
        threshold: below it nobody is assigned.

    Example:
        >>> from likewise.recognition.gallery import Candidate, one_person_once
        >>> twins = [[Candidate("anna", 0.8, "1"), Candidate("eva", 0.7, "2")],
        ...          [Candidate("anna", 0.7, "1"), Candidate("eva", 0.4, "2")]]
        >>> [face and face.name for face in one_person_once(twins, 0.5)]
        ['eva', 'anna']
    """
    names = sorted({some.name for one in candidates for some in one})
    places = {name: column for column, name in enumerate(names)}
    gains = np.zeros((len(candidates), len(names)))
    of: dict[tuple[int, int], Candidate] = {}
    for row, one in enumerate(candidates):
        for some in one:
            if some.score >= threshold:
                column = places[some.name]
                gains[row, column] = some.score - threshold + 1e-9  # one at the threshold counts
                of[row, column] = some
    chosen: list[Candidate | None] = [None] * len(candidates)
    for row, column in zip(*linear_sum_assignment(gains, maximize=True), strict=True):
        chosen[row] = of.get((int(row), int(column)))
    return chosen
