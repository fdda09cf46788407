"""What came of one photo: how many faces it has, which were taken, and where their crops lie."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from likewise.errors import InputError

__all__ = ["BROKEN", "NONE", "ONE", "SEVERAL", "Outcome", "Taken"]

ONE, SEVERAL, NONE, BROKEN = "one", "several", "none", "broken"
STATUSES = frozenset({ONE, SEVERAL, NONE, BROKEN})
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Taken:
    """A face that was cut out.

    Args:
        face: its place among the faces of the photo, largest first.
        file: of the crop, relative to the folder, with ``/`` between names.
        bytes: of that file.
        score: of the detector.
        landmark_score: of the landmarks.
        eye_distance: pixels between the eyes in the photo.
        turn: degrees.
    """

    face: int
    file: str
    bytes: int
    score: float
    landmark_score: float
    eye_distance: float
    turn: float


def _lies_below(file: Any) -> bool:
    """Whether a crop lies in the folder: old crops are removed, so a journal may name no others."""
    path = PurePosixPath(file)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


@dataclass(frozen=True)
class Outcome:
    """What came of one photo.

    Args:
        name: of the photo, as the manifest calls it.
        stamp: of its content: size and time; with another one it is done again.
        status: ``one``, ``several``, ``none`` or ``broken``.
        reason: why it is broken, or has no face.
        boxes: x, y, width and height of all faces, in pixels, largest first.
        taken: the faces that were cut out.
    """

    name: str
    stamp: str
    status: str
    reason: str = ""
    boxes: tuple[Box, ...] = ()
    taken: tuple[Taken, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Outcome:
        """The inverse of ``to_dict``.

        Raises:
            InputError: the values are not those of an outcome.
        """
        try:
            boxes = tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in
                          values["boxes"])  # fmt: skip
            taken = tuple(Taken(**face) for face in values["taken"])
            texts = [values[key] for key in ("name", "stamp", "status", "reason")]
            good = all(isinstance(text, str) for text in texts) and values["status"] in STATUSES
            good &= all(isinstance(face.bytes, int) and _lies_below(face.file) for face in taken)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not an outcome ({error})") from None
        if not good:
            raise InputError("not an outcome")
        name, stamp, status, reason = texts
        return cls(name, stamp, status, reason, boxes, taken)
