"""Score calibration: the map from a score to a probability, which is saved with an embedder.

A calibration gives the log-likelihood ratio of a score: ln p(score | same person) minus
ln p(score | different people). With a prior it gives a probability. It is fitted by
``likewise.evaluation.calibration.fit``, and stored and applied here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_number, one_of
from likewise.errors import InputError

__all__ = ["METHODS", "Calibration", "probability_text"]

Floats = NDArray[np.float64]
METHODS = ("isotonic", "logistic")


@dataclass(frozen=True)
class Calibration:
    """An increasing map from score to log-likelihood ratio (natural logarithm).

    Args:
        method: ``logistic``: slope · score + intercept; ``isotonic``: linear between knots,
            constant outside them.
        slope: of ``logistic``.
        intercept: of ``logistic``.
        scores: the knots of ``isotonic``, increasing.
        ratios: the log-likelihood ratio at each knot.

    Raises:
        InputError: the method is unknown, or a number is missing, not finite or not increasing.

    Example:
        >>> from likewise.models.calibration import Calibration
        >>> calibration = Calibration("logistic", slope=10.0, intercept=-4.0)
        >>> calibration.log_likelihood_ratio(0.4), calibration.probability(0.4)
        (0.0, 0.5)
        >>> round(calibration.probability(0.4, prior=0.01), 4)  # one pair in a hundred is genuine
        0.01
    """

    method: str
    slope: float = 0.0
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        one_of("calibration", self.method, METHODS)
        numbers = [self.slope, self.intercept, *self.scores, *self.ratios]
        if not all(math.isfinite(number) for number in numbers):
            raise InputError("calibration: a number is not finite")
        if self.method == "logistic":
            if self.slope <= 0:
                raise InputError(f"calibration: slope {self.slope}; must be a number above 0")
            return
        if len(self.scores) != len(self.ratios) or not self.scores:
            raise InputError(
                f"calibration: {len(self.scores)} scores and {len(self.ratios)} ratios; "
                "the numbers must be equal and at least 1"
            )
        if np.any(np.diff(self.scores) <= 0) or np.any(np.diff(self.ratios) < 0):
            raise InputError("calibration: its knots do not increase")

    def log_likelihood_ratios(self, scores: ArrayLike) -> Floats:
        """ln p(score | same person) - ln p(score | different people) of scores [N]."""
        values = np.asarray(scores, np.float64)
        if self.method == "logistic":
            return self.slope * values + self.intercept
        return np.interp(values, self.scores, self.ratios)

    def log_likelihood_ratio(self, score: float) -> float:
        """The log-likelihood ratio of one score; 0: both hypotheses are equally likely."""
        return float(self.log_likelihood_ratios([score])[0])

    def probabilities(self, scores: ArrayLike, prior: float = 0.5) -> Floats:
        """The probability that each pair shows one person, [N]; see ``probability``."""
        check_number("prior", prior, above=0, below=1)
        odds = self.log_likelihood_ratios(scores) + math.log(prior / (1 - prior))
        return np.exp(-np.logaddexp(0.0, -odds))

    def probability(self, score: float, prior: float = 0.5) -> float:
        """The probability that two photos with this score show one person.

        Args:
            score: of the two photos.
            prior: the share of compared pairs that show one person, in (0, 1).

        Raises:
            InputError: ``prior`` is not in (0, 1).
        """
        return float(self.probabilities([score], prior)[0])

    def to_dict(self) -> dict[str, Any]:
        """The parameters of the method, as JSON values."""
        if self.method == "logistic":
            return {"method": self.method, "slope": self.slope, "intercept": self.intercept}
        values = asdict(self)
        return {key: values[key] for key in ("method", "scores", "ratios")}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Calibration:
        """The inverse of ``to_dict``.

        Raises:
            InputError: the values are not those of a calibration.
        """
        try:
            if values["method"] == "isotonic":
                scores, ratios = (tuple(map(float, values[k])) for k in ("scores", "ratios"))
                return Calibration("isotonic", scores=scores, ratios=ratios)
            return Calibration(
                values["method"],
                slope=float(values["slope"]),
                intercept=float(values["intercept"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"calibration: cannot be read ({error!r})") from None


def probability_text(probability: float) -> str:
    """A probability as text; one that is nearly certain is not rounded to certainty.

    Example:
        >>> from likewise.models.calibration import probability_text
        >>> probability_text(0.9312), probability_text(0.99999)
        ('93.1%', '>99.9%')
    """
    if 0.001 <= probability <= 0.999:
        return f"{probability:.1%}"
    return "<0.1%" if probability < 0.001 else ">99.9%"
