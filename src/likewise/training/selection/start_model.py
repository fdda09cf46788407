"""The model that a run starts from: measured before the first step, replaced only if beaten."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_text
from likewise.evaluation.intervals.bootstrap import Interval
from likewise.storage import read_json, write_json
from likewise.training.recipe.validation_metric import AUC, Metric
from likewise.training.stopping import FEWEST

__all__ = ["START", "Gain", "StartModel", "TunedFrom"]

START = "start.json"


@dataclass(frozen=True)
class Gain:
    """What an epoch gains over the start model on the held-out identities.

    Args:
        epoch: from 1; 0 for the start model with its last layer whitened.
        value: the metric of the changed network.
        low: of the 95 % interval of the difference to that of the start model, over identities.
        high: likewise.
        lower_is_better: the direction of the metric.
    """

    epoch: int
    value: float
    low: float
    high: float
    lower_is_better: bool = False

    @property
    def clear(self) -> bool:
        """Whether the gain is more than noise."""
        return self.high < 0 if self.lower_is_better else self.low > 0

    def ahead(self, value: float) -> bool:
        """Whether it is better than this value, if only by chance."""
        return self.value < value if self.lower_is_better else self.value > value


@dataclass(frozen=True)
class TunedFrom:
    """A start model and what training it further has brought.

    Args:
        source: as it was named.
        value: the metric of the model as it is, on the held-out identities.
        low: of its 95 % interval, over identities.
        high: likewise.
        best: the epoch with the best value; None before one is validated.
        kept: the epoch whose network is saved; 0 for the start model.
        whitened: the start model with its last layer whitened; None if that was not tried.
        measure: the metric, in words.
    """

    source: str
    value: float
    low: float
    high: float
    best: Gain | None = None
    kept: int = 0
    whitened: Gain | None = None
    measure: str = "AUC"

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """As it is, whitened, after fine-tuning, and which was kept: for people."""
        whole = Interval(self.value, self.low, self.high)
        found = [f"{self.source} as it is: {self.measure} {auc_text(whole)}"]
        for what, gain in (
            ("with its last layer whitened", self.whitened),
            ("after fine-tuning", self.best),
        ):
            if gain is None:
                continue
            when = f" (epoch {gain.epoch})" if gain.epoch else ""
            interval = "too few identities to tell"
            if gain.high - gain.low < 2:
                interval = f"{gain.low:+.4f} to {gain.high:+.4f}"
            found.append(
                f"{what}: {self.measure} {gain.value:.4f}{when}; the difference is "
                f"{gain.value - self.value:+.4f} ({interval})"
            )
        if self.best is None:
            return found
        gains = (gain for gain in (self.best, self.whitened) if gain is not None)
        better = any(gain.ahead(self.value) for gain in gains)
        why = "is better by more than chance" if better else "is better"
        if self.kept:
            kept = f"the fine-tuned model of epoch {self.kept}"
        elif self.whitened is not None and self.whitened.clear:
            kept = f"{self.source} with its last layer whitened, calibrated on your photos"
        else:
            kept = f"{self.source} as it is, calibrated on your photos: nothing {why}"
        return [*found, f"kept: {kept}"]


class StartModel:
    """The start model of a run, with the validation that its successors are compared with.

    It lies in the run's folder, so that a resumed run compares with the same one.

    Args:
        folder: of the run.
        measured: what is known of it.
        estimate: its metric, with the influence of each held-out identity.
    """

    def __init__(self, folder: Path, measured: TunedFrom, estimate: AucEstimate) -> None:
        self.folder, self.measured, self.estimate = folder, measured, estimate

    @classmethod
    def of(
        cls, folder: Path, source: str, estimate: AucEstimate, metric: Metric = AUC
    ) -> StartModel:
        """Keep the validation of a start model.

        Args:
            folder: of the run.
            source: as it was named.
            estimate: its metric on the held-out identities.
            metric: which one it is.
        """
        whole = estimate.interval()
        measured = TunedFrom(source, whole.value, whole.low, whole.high, measure=metric.name)
        model = cls(folder, measured, estimate)
        model._write()
        return model

    @classmethod
    def read(cls, folder: Path) -> StartModel | None:
        """The start model of a resumed run; None if it has none."""
        try:
            values = read_json(folder / START)
            estimate = AucEstimate.from_dict(values.pop("estimate"))
            gains = {name: values.pop(name) for name in ("best", "whitened")}
            values |= {name: Gain(**_named(gain)) for name, gain in gains.items() if gain}
            return cls(folder, TunedFrom(**_named(values)), estimate)
        except (InputError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def compare(self, epoch: int, estimate: AucEstimate) -> None:
        """Note an epoch, from 1, if none before it was better."""
        best = self.measured.best
        gain = self._gain(epoch, estimate)
        if best is None or gain.ahead(best.value):
            self._update(best=gain)

    def try_whitened(self, estimate: AucEstimate) -> bool:
        """Whether the start model with its last layer whitened is better by more than noise."""
        gain = self._gain(0, estimate)
        self._update(whitened=gain)
        return gain.clear

    def keep(self, epoch: int) -> None:
        """Note that the network of this epoch is saved."""
        self._update(kept=epoch)

    def _gain(self, epoch: int, estimate: AucEstimate) -> Gain:
        difference = estimate.minus(self.estimate).interval()
        low, high = max(-1.0, difference.low), min(1.0, difference.high)
        if estimate.people < FEWEST:
            low, high = -1.0, 1.0  # nothing is known
        lower = Metric.of(self.measured.measure).lower_is_better
        return Gain(epoch, estimate.value, low, high, lower)

    def _update(self, **values: Any) -> None:
        self.measured = replace(self.measured, **values)
        self._write()

    def _write(self) -> None:
        values = {**self.measured.to_dict(), "estimate": self.estimate.to_dict()}
        write_json(self.folder / START, values)


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a file; those of earlier versions had ``auc`` in place of ``value``."""
    return {("value" if name == "auc" else name): value for name, value in values.items()}
