"""The answer of a verification: same, different, or undecided, with the photos compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from likewise.arrays import data_frame
from likewise.models.operating_point import OperatingPoint
from likewise.pages.pictures import data_uri, jpeg
from likewise.pages.shown import Picture, Shown, Table, View
from likewise.recognition.recognizer import RecognizedFace

__all__ = ["ComparedPhoto", "VerificationAnswer"]


@dataclass(frozen=True, eq=False)
class ComparedPhoto:
    """One of two photos that were compared.

    Args:
        name: of the photo.
        faces: all of its faces, largest first.
        chosen: the face that was compared; None if there is none, or it is not clear which.
        poor: why the chosen face may not be recognised; empty for a good one.
    """

    name: str
    faces: tuple[RecognizedFace, ...] = field(repr=False)
    chosen: RecognizedFace | None = None
    poor: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class VerificationAnswer(Shown):
    """Whether two photos show the same person.

    Args:
        same: True, False, or None: it cannot be decided, for ``reasons``.
        score: the cosine of the two faces; None if there are no two faces to compare.
        probability: that they are one person, given ``prior``; None without a calibration.
        prior: the probability of that before the photos were looked at.
        threshold: the lowest score of the same person; None if the model has none.
        point: the error rates that were measured at the threshold; None if it was given.
        reasons: why it cannot be decided, in words; empty if it is.
        notes: what else one should know, such as which of several faces was compared.
        photos: the two photos with their faces.
        of_faces: faces were looked for; otherwise the photos were compared as they are.
        distance: that ``score`` is of.
        fmr: the false match rate that was measured at the threshold; at one that was given, that
            of the next lower measured threshold, which is no smaller. None if there is none.
    """

    same: bool | None
    score: float | None
    probability: float | None
    prior: float
    threshold: float | None
    point: OperatingPoint | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    photos: tuple[ComparedPhoto, ComparedPhoto]
    of_faces: bool = True
    distance: str = "cosine"
    fmr: float | None = None

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` of one row: the two names and the numbers of the answer."""
        a, b = self.photos
        numbers = ("same", "score", "probability", "threshold", "fmr")
        columns: dict[str, list[object]] = {"a": [a.name], "b": [b.name]}
        columns |= {name: [getattr(self, name)] for name in numbers}
        return data_frame(columns | {"reasons": ["; ".join(self.reasons)]})

    def _view(self) -> View:
        words = {True: "the same", False: "different", None: "cannot be decided"}[self.same]
        rows: list[tuple[object, object]] = [
            (f"score ({self.distance})", self.score),
            ("threshold", self.threshold),
            ("false match rate at the threshold", self.fmr),
            (f"probability at a prior of {self.prior:g}", self.probability),
        ]
        names = " and ".join(photo.name for photo in self.photos)
        title = f"VerificationAnswer: {words} ({names})"
        return View(title, [*self.reasons, *self.notes], [Table(("", ""), rows)])

    def _pictures(self) -> Sequence[Sequence[Picture]]:
        found = [
            Picture(data_uri(jpeg(Image.fromarray(photo.chosen.face.crop))), (photo.name,))
            for photo in self.photos
            if photo.chosen is not None
        ]
        return [found] if found else []
