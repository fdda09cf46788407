"""Rates of rare errors: what a count can show, and what it cannot.

Sources: Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, 1983 (the rule
of 3); Doddington et al., The NIST speaker recognition evaluation, 2000 (the rule of 30).
"""

from __future__ import annotations

__all__ = ["too_small"]


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
