"""The model that a run starts from: measured before the first step, replaced only if beaten."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import Interval, bootstrap
from likewise.evaluation.intervals.paired_bootstrap import paired_bootstrap
from likewise.storage import new_file, read_json, write_json
from likewise.training.stopping import Best
from likewise.training.validation import Validated

__all__ = ["START", "Gain", "StartModel", "TunedFrom"]

START = "start.json"
SCORES = "start.npy"
REPLICATES = 200  # of the bootstrap, as for the calibration
FEWEST = 5  # identities that a bootstrap needs


@dataclass(frozen=True)
class Gain:
    """What an epoch gains over the start model on the held-out identities.

    Args:
        epoch: from 1.
        auc: of the fine-tuned network.
        low: of the 95 % interval of the difference to the AUC of the start model, over identities.
        high: likewise.
    """

    epoch: int
    auc: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the gain is more than noise."""
        return self.low > 0


@dataclass(frozen=True)
class TunedFrom:
    """A start model and what training it further has brought.

    Args:
        source: as it was named.
        auc: of the model as it is, on the held-out identities.
        low: of its 95 % interval, over identities.
        high: likewise.
        best: the epoch with the highest AUC; None before one is validated.
        kept: the epoch whose network is saved; 0 for the start model.
    """

    source: str
    auc: float
    low: float
    high: float
    best: Gain | None = None
    kept: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """As it is, after fine-tuning, and which was kept: for people."""
        found = [f"{self.source} as it is: AUC {self.auc:.4f} ({self.low:.4f} to {self.high:.4f})"]
        if self.best is None:
            return found
        best = self.best
        found.append(
            f"after fine-tuning: AUC {best.auc:.4f} (epoch {best.epoch}); the difference is "
            f"{best.auc - self.auc:+.4f} ({best.low:+.4f} to {best.high:+.4f})"
        )
        if self.kept:
            return [*found, f"kept: the fine-tuned model of epoch {self.kept}"]
        why = "is not better by more than chance" if best.auc > self.auc else "is no better"
        return [
            *found,
            f"kept: {self.source} as it is, calibrated on your photos, since fine-tuning {why}",
        ]


class StartModel:
    """The start model of a run, with its scores of the validation's pairs.

    They lie in the run's folder, so that a resumed run compares with the same ones.

    Args:
        folder: of the run.
        measured: what is known of it.
        scores: of the pairs, float64 [N].
    """

    def __init__(self, folder: Path, measured: TunedFrom, scores: NDArray[np.float64]) -> None:
        self.folder, self.measured, self._scores = folder, measured, scores

    @classmethod
    def of(cls, folder: Path, source: str, validated: Validated) -> StartModel:
        """Keep the result of a start model that was just validated.

        Args:
            folder: of the run.
            source: as it was named.
            validated: the result.
        """
        auc, pairs = validated.verification.auc, validated.pairs
        whole = Interval(auc, 0.0, 1.0)  # of few identities nothing is known
        if pairs.identities >= FEWEST:
            whole = bootstrap(pairs, (), replicates=REPLICATES).auc
        with new_file(folder / SCORES) as path, path.open("wb") as stream:
            np.save(stream, pairs.scores)
        model = cls(folder, TunedFrom(source, auc, whole.low, whole.high), pairs.scores)
        model._write()
        return model

    @classmethod
    def read(cls, folder: Path) -> StartModel | None:
        """The start model of a resumed run; None if it has none."""
        try:
            values = read_json(folder / START)
            best = values.pop("best")
            measured = TunedFrom(**values, best=Gain(**best) if best else None)
            return cls(folder, measured, np.load(folder / SCORES, allow_pickle=False))
        except (InputError, OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def compare(self, epoch: int, validated: Validated) -> Gain:
        """Compare an epoch with the start model, on the same pairs.

        Args:
            epoch: from 1.
            validated: the result of its network.
        """
        auc, pairs = validated.verification.auc, validated.pairs
        before, low, high = self.measured.best, -1.0, 1.0
        new = before is None or auc > before.auc
        known = len(self._scores) == len(pairs) and pairs.identities >= FEWEST
        if known and (new or auc > self.measured.auc):  # else it is no better anyway
            difference = paired_bootstrap(pairs, self._scores, (), replicates=REPLICATES).auc
            low, high = difference.low, difference.high
        gain = Gain(epoch, auc, low, high)
        if new:
            self._update(best=gain)
        return gain

    def is_beaten(self, best: Best, epoch: int, measured: Validated) -> bool:
        """Whether an epoch is better by more than noise; if not, the best one is waited for."""
        gain = self.compare(epoch, measured)
        if not gain.clear:
            best.waited = epoch - best.epoch
        return gain.clear

    def keep(self, epoch: int) -> None:
        """Note that the network of this epoch is saved."""
        self._update(kept=epoch)

    def _update(self, **values: Any) -> None:
        fields = {name: getattr(self.measured, name) for name in TunedFrom.__dataclass_fields__}
        self.measured = TunedFrom(**{**fields, **values})
        self._write()

    def _write(self) -> None:
        write_json(self.folder / START, self.measured.to_dict())
