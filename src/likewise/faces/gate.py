"""The gate: which detections are faces, by the detector and the landmarks together."""

from __future__ import annotations

from dataclasses import dataclass

from likewise.faces.landmarks.turns import between
from likewise.faces.second_look import Look

__all__ = ["Gate", "Rejected"]

WEIGHT = 0.1  # of the landmarks' score; fitted on WIDER FACE, where faces are small and blurred
BEYOND = 0.02  # the detector's own threshold, which the two together have to pass
READABLE = 60.0  # pixels of a box from which the landmarks alone can refuse it
TURNED = 60.0  # degrees from which a face has to look right once it is turned upright
SEEN = 0.8  # score of the detector, at the second look, of a turned face
READ = 0.97  # of its landmarks


@dataclass(frozen=True)
class Rejected:
    """A detection that is no face, or too doubtful to be one.

    Args:
        box: x, y, width and height, in pixels of the photo.
        score: of the detector, from 0 to 1.
        landmark_score: from 0 to 1.
        reason: why it was turned down, in words.
    """

    box: tuple[float, float, float, float]
    score: float
    landmark_score: float
    reason: str


@dataclass(frozen=True)
class Gate:
    """The rule by which a detection is a face.

    A box without a face can have a high score of the detector (0.77 for a dog); the score of its
    landmarks tells (0.3 at the most). Small and blurred faces are the other way round.

    Args:
        least_score: threshold of the detector.
        least_landmark_score: of the landmarks, for boxes that are large enough to judge.
        least_side: pixels of the longer side of a box; a smaller face cannot be recognised.
    """

    least_score: float
    least_landmark_score: float
    least_side: float

    def refuses(self, side: float, score: float) -> str:
        """Why a detection is no face whatever its landmarks are, in words; empty if it may be one.

        Args:
            side: the longer one of its box, in pixels of the photo.
            score: of the detector.
        """
        if self._evidence(score, 1.0) < self.least_score + BEYOND:
            return f"score {score:.2f}; a face needs {self.least_score + BEYOND:.2f}"
        if side < self.least_side:
            return f"only {side:.0f} pixels; a face needs {self.least_side:.0f}"
        return ""

    def reason(self, side: float, score: float, look: Look) -> str:
        """Why a detection is no face, in words; empty if it is one.

        Args:
            side: the longer one of its box, in pixels of the photo.
            score: of the detector.
            look: its points, and how it looks once it is turned upright.
        """
        evidence = self._evidence(score, look.landmark_score)
        needed = self.least_score + BEYOND
        if evidence < needed:
            return f"score {evidence:.2f}; a face needs {needed:.2f}"
        read, least = look.landmark_score, self.least_landmark_score
        if side >= READABLE and read < least:
            return f"no eyes, nose and mouth were found in it ({read:.2f} of {least:.2f})"
        if between(look.turn, 0) > TURNED and (look.score < SEEN or read < READ):
            return f"it does not look like a face, not even turned by {look.turn:.0f}°"
        return ""

    @staticmethod
    def _evidence(score: float, landmark_score: float) -> float:
        return (1 - WEIGHT) * score + WEIGHT * landmark_score
