"""The quality of a photo from the length of its raw embedding, as a percentile of a reference set.

A network gives a clear photo a long embedding and a bad one a short one, although nothing asks it
to: with a softmax over classes, the loss of a photo that is recognised falls as its embedding gets
longer. The length has no unit: each network has its own scale. So the lengths of a set of photos
are stored with the network, and a photo's quality is its place among them.

Sources: Ranjan, Castillo and Chellappa, L2-constrained softmax loss for discriminative face
verification, 2017 (the norm and the quality of a photo); Meng et al., MagFace, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError

__all__ = ["FEWEST", "NormReference", "tell_apart"]

Floats = NDArray[np.float64]
QUANTILES = 101  # from 0 % to 100 %
FEWEST = 20  # photos: with fewer, a percentile says little
LEAST_SPREAD = 1e-3  # relative: a network that ends with a division by the length has 1e-7


@dataclass(frozen=True)
class NormReference:
    """The lengths of the raw embeddings of a reference set, which give a photo's quality.

    Args:
        quantiles: the lengths at 0, 1, …, 100 % of the photos, not falling.
        count: the number of photos.
        of: the name of the set; empty if unknown.

    Raises:
        InputError: there are not 101 quantiles, or one is negative, not finite or smaller than
            the one before.

    Example:
        >>> import numpy as np
        >>> from likewise.models.embedded.norms import NormReference
        >>> reference = NormReference.measured(np.linspace(10, 20, 1000), "photos")
        >>> reference.quality([9.0, 10.0, 15.0, 20.0, 30.0]).round(2).tolist()
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """

    quantiles: tuple[float, ...]
    count: int
    of: str = ""

    def __post_init__(self) -> None:
        values = np.asarray(self.quantiles, np.float64)
        if len(values) != QUANTILES:
            raise InputError(f"norms: {len(values)} quantiles; there must be {QUANTILES}")
        if not np.isfinite(values).all() or values[0] < 0 or np.any(np.diff(values) < 0):
            raise InputError("norms: the quantiles must be finite, positive and not fall")

    @staticmethod
    def measured(norms: ArrayLike, of: str = "") -> NormReference | None:
        """The reference of a set of photos.

        Args:
            norms: the length of each photo's raw embedding, [N].
            of: the name of the set.

        Returns:
            None if the lengths say nothing: there are fewer than 20 photos, the network makes all
            its embeddings equally long, or a length is too large for a float.
        """
        values = np.asarray(norms, np.float64).reshape(-1)
        if not tell_apart(values):
            return None
        quantiles = np.quantile(values, np.linspace(0, 1, QUANTILES))
        return NormReference(tuple(quantiles.tolist()), len(values), of)

    def quality(self, norms: ArrayLike) -> Floats:
        """The share of the reference photos with a shorter raw embedding, from 0 to 1: [N].

        Photos that are worse than all of the reference have 0; rank those by the length itself.

        Args:
            norms: the length of each raw embedding, [N]; with ``flip``, of the mean of both.
        """
        return np.interp(
            np.asarray(norms, np.float64), self.quantiles, np.linspace(0, 1, QUANTILES)
        )

    def to_dict(self) -> dict[str, Any]:
        """The quantiles, the number of photos and the name of the set, as JSON values."""
        return {"quantiles": list(self.quantiles), "count": self.count, "of": self.of}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> NormReference:
        """The inverse of ``to_dict``.

        Raises:
            InputError: the values are not those of a reference.
        """
        try:
            quantiles = tuple(map(float, values["quantiles"]))
            return NormReference(quantiles, int(values["count"]), str(values.get("of", "")))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"norms: cannot be read ({error!r})") from None


def tell_apart(norms: ArrayLike) -> bool:
    """Whether lengths [N] differ enough, and are enough, to say something about quality."""
    values = np.asarray(norms, np.float64)
    if len(values) < FEWEST or not np.isfinite(values).all():
        return False
    low, high = np.quantile(values, [0.01, 0.99])
    return bool(high - low > LEAST_SPREAD * max(abs(high), np.finfo(np.float64).tiny))
