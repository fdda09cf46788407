"""What a tracker of experiments has to do for a run: take its numbers, and end."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Tracker", "numbers_of"]


class Tracker(Protocol):
    """Gets the numbers of each report of a run, on rank 0."""

    def report(self, step: int, values: dict[str, Any]) -> None:
        """Take the numbers of a report after this step; other values are left out."""

    def close(self, *, finished: bool) -> None:
        """End; ``finished`` is False for a run that was stopped or has failed."""


def numbers_of(values: dict[str, Any]) -> dict[str, float]:
    """The numbers of a report.

    Example:
        >>> from likewise.training.monitoring.tracker import numbers_of
        >>> numbers_of({"epoch": 1, "val/auc": 0.9, "note": "text"})
        {'epoch': 1, 'val/auc': 0.9}
    """
    return {name: value for name, value in values.items() if isinstance(value, int | float)}
