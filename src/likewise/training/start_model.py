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
        epoch: from 1; 0 for the start model with its last layer whitened.
        auc: of the changed network.
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
        whitened: the start model with its last layer whitened; None if that was not tried.
    """

    source: str
    auc: float
    low: float
    high: float
    best: Gain | None = None
    kept: int = 0
    whitened: Gain | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """As it is, whitened, after fine-tuning, and which was kept: for people."""
        found = [f"{self.source} as it is: AUC {self.auc:.4f} ({self.low:.4f} to {self.high:.4f})"]
        for what, gain in (
            ("with its last layer whitened", self.whitened),
            ("after fine-tuning", self.best),
        ):
            if gain is None:
                continue
            when = f" (epoch {gain.epoch})" if gain.epoch else ""
            found.append(
                f"{what}: AUC {gain.auc:.4f}{when}; the difference is {gain.auc - self.auc:+.4f} "
                f"({gain.low:+.4f} to {gain.high:+.4f})"
            )
        if self.best is None:
            return found
        better = max(gain.auc for gain in (self.best, self.whitened) if gain is not None) > self.auc
        why = "is better by more than chance" if better else "is better"
        if self.kept:
            kept = f"the fine-tuned model of epoch {self.kept}"
        elif self.whitened is not None and self.whitened.clear:
            kept = f"{self.source} with its last layer whitened, calibrated on your photos"
        else:
            kept = f"{self.source} as it is, calibrated on your photos: nothing {why}"
        return [*found, f"kept: {kept}"]


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
            best, changed = values.pop("best"), values.pop("whitened")
            measured = TunedFrom(
                **values,
                best=Gain(**best) if best else None,
                whitened=Gain(**changed) if changed else None,
            )
            return cls(folder, measured, np.load(folder / SCORES, allow_pickle=False))
        except (InputError, OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def compare(self, epoch: int, validated: Validated) -> Gain:
        """Compare an epoch with the start model, on the same pairs.

        Args:
            epoch: from 1.
            validated: the result of its network.
        """
        auc, best = validated.verification.auc, self.measured.best
        new = best is None or auc > best.auc
        if not new and auc <= self.measured.auc:
            return Gain(epoch, auc, -1.0, 1.0)  # it is no better anyway
        gain = self._gain(epoch, validated)
        if new:
            self._update(best=gain)
        return gain

    def try_whitened(self, validated: Validated) -> bool:
        """Whether the start model with its last layer whitened is better by more than noise."""
        gain = self._gain(0, validated)
        self._update(whitened=gain)
        return gain.clear

    def _gain(self, epoch: int, validated: Validated) -> Gain:
        pairs, low, high = validated.pairs, -1.0, 1.0
        if len(self._scores) == len(pairs) and pairs.identities >= FEWEST:
            difference = paired_bootstrap(pairs, self._scores, (), replicates=REPLICATES).auc
            low, high = difference.low, difference.high
        return Gain(epoch, validated.verification.auc, low, high)

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
