"""Which trial won: by the validation identities, which are neither trained on nor tested on."""

from __future__ import annotations

from collections.abc import Sequence

from likewise.lab.compare.record import Record

__all__ = ["best_trial"]


def best_trial(trials: Sequence[Record]) -> Record | None:
    """The trial with the highest AUC, of equals the first; None if all failed.

    AUC and no other number: it uses every pair, which matters where validation is small.
    """
    finished = [trial for trial in trials if trial.measured is not None]
    return max(finished, key=lambda trial: trial.measured.auc if trial.measured else 0.0,
               default=None)  # fmt: skip
