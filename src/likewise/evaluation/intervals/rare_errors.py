"""Rates of rare errors: what a count can show, and what it cannot.

Sources: Clopper and Pearson, The use of confidence or fiducial limits, 1934; Hanley and
Lippman-Hand, If nothing goes wrong, is everything all right?, 1983 (the rule of 3); Doddington
et al., The NIST speaker recognition evaluation, 2000 (the rule of 30).
"""

from __future__ import annotations

from likewise.errors import InputError

__all__ = ["binomial_interval", "too_small"]


def binomial_interval(errors: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a rate, had the ``count`` trials been independent.

    Pairs that share people are not, so the true interval is at least as wide; but where errors
    are so few that a bootstrap hardly ever sees more or less of them, this one still holds.

    Args:
        errors: how many went wrong, from 0 to ``count``.
        count: of how many.
        level: the confidence.

    Raises:
        InputError: there are more errors than trials, or none of either.

    Example:
        >>> from likewise.evaluation.intervals.rare_errors import binomial_interval
        >>> [round(end, 4) for end in binomial_interval(0, 1000)]
        [0.0, 0.0037]
    """
    from scipy.special import betaincinv

    if not 0 <= errors <= count or count <= 0:
        raise InputError(f"errors, count: {errors:g} of {count:g} is no rate")
    tail = (1 - level) / 2
    low = float(betaincinv(errors, count - errors + 1, tail)) if errors > 0 else 0.0
    high = float(betaincinv(errors + 1, count - errors, 1 - tail)) if errors < count else 1.0
    return low, high


def too_small(what: str, errors: float, count: int) -> str | None:
    """Why a rate of so few errors says little; None if there are 30 or more.

    With no error among n, the rate may be as high as 3/n (the rule of 3: 95 % confidence). With
    fewer than 30 errors, it is not known within 30 % of itself (the rule of 30: 90 % confidence).

    Example:
        >>> from likewise.evaluation.intervals.rare_errors import too_small
        >>> too_small("FMR", 0, 600)
        'FMR: no error in 600 pairs; it may be as high as 0.005 (3/n)'
    """
    if errors >= 30:
        return None
    if count == 0:
        return f"{what}: no pair to measure it on"
    if errors < 0.5:
        bound = min(1.0, 3 / count)
        return f"{what}: no error in {count:,} pairs; it may be as high as {bound:.2g} (3/n)"
    return (
        f"{what}: only {errors:.0f} errors in {count:,} pairs; 30 are needed to know it within "
        "30 % of itself"
    )
