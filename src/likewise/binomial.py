"""The exact (Clopper-Pearson) confidence interval of a proportion.

Source: Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of
the binomial, Biometrika 1934.
"""

from __future__ import annotations

from likewise.errors import InputError

__all__ = ["clopper_pearson"]


def clopper_pearson(count: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """The confidence interval of the proportion ``count / trials``; trials are independent.

    Args:
        count: the number of successes. Weighted counts need not be whole.
        trials: the number of trials.
        level: the confidence, 0 < level < 1.

    Raises:
        InputError: the count is above the trials, or there are none.

    Example:
        >>> [round(end, 4) for end in clopper_pearson(0, 1000)]
        [0.0, 0.0037]
    """
    from scipy.special import betaincinv

    if not 0 <= count <= trials or trials <= 0:
        raise InputError(
            f"count, trials: {count:g} of {trials:g}; must be 0 <= count <= trials, trials above 0"
        )
    tail, rest = (1 - level) / 2, trials - count
    low = float(betaincinv(count, rest + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, rest, 1 - tail)) if rest > 0 else 1.0
    return low, high
