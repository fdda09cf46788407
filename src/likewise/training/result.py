"""The result of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likewise.arrays import data_frame
from likewise.data.images import BadImage
from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import auc_text
from likewise.evaluation.intervals.bootstrap import Interval
from likewise.pages.shown import Shown, View
from likewise.training.monitoring.profile import Profile
from likewise.training.selection.baseline import Baseline
from likewise.training.selection.start_model import TunedFrom
from likewise.training.setup.run_folder import MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

__all__ = ["TrainingResult"]


@dataclass(frozen=True, repr=False)
class TrainingResult(Shown):
    """The result of a run.

    Args:
        folder: of the run; ``folder/model`` is the embedder that was kept.
        epochs: the epochs completed, of which the last one may be short.
        finished: False if the run was stopped and can be continued with ``resume``.
        validation: the metric of the saved model by which epochs were compared, see ``measure``;
            None without held-out photos.
        bad_images: the photos that could not be read.
        identities: the number of people trained on.
        images: the number of photos trained on.
        stopped_by: the signal that stopped any of the processes; None if there was none.
        profile: the time of each phase of a step, if it was measured.
        validation_people: held-out people with two photos or more; the AUC of few is uncertain.
        steps: the steps completed.
        validation_interval: of it, 95 % over identities; None where it is not known.
        baselines: raw pixels, and the start model if there is one, on the held-out identities.
        start: the model that the run started from and what training it has brought; None without
            one, or without held-out people.
        measure: what ``validation`` is: AUC, or the metric of ``training.metric``; without
            identities, the likeness to the teacher.

    Example:
        >>> import likewise
        >>> short = ["schedule.steps=2", "model.name=contrastnet", "data.val_identities=0"]
        >>> run = likewise.train(photos, out, settings=short)
        >>> run.to_pandas()["step"].tolist()[-1], run.model.name
        (2, 'model')
    """

    folder: Path
    epochs: int
    finished: bool
    validation: float | None
    bad_images: list[BadImage]
    identities: int
    images: int
    stopped_by: int | None = None
    profile: Profile | None = None
    validation_people: int = 0
    steps: int = 0
    validation_interval: Interval | None = None
    baselines: tuple[Baseline, ...] = ()
    start: TunedFrom | None = None
    measure: str = "AUC"

    @property
    def model(self) -> Path:
        """The folder of the embedder."""
        return self.folder / MODEL

    def plot_loss(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the training loss by step, as it was logged.

        Args:
            ax: axes of matplotlib, which may hold other curves already; a new figure if None.
            label: of the curve, in the legend.

        Returns:
            The axes.

        Raises:
            InputError: the log of the run has none.
        """
        return self._curve("train/loss", "training loss", label).on(ax)

    def plot_validation(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the validation by step; see ``plot_loss``."""
        return self._curve(self._validated, f"validation {self.measure}", label).on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` of the log: a row for each report, with its step and numbers."""
        reports = self._log()
        names = dict.fromkeys(name for report in reports for name in report)
        return data_frame({name: [report.get(name) for report in reports] for name in names})

    @property
    def _validated(self) -> str:
        return "val/auc" if self.measure == "AUC" else "val/teacher"

    def _log(self) -> list[dict[str, Any]]:
        from likewise.training.monitoring.log import JSONL, log_lines

        return log_lines(self.folder / JSONL)

    def _curve(self, name: str, words: str, label: str | None = None) -> Plot:
        from likewise.pages import rates

        logged = [(line["step"], line[name]) for line in self._log() if line.get(name) is not None]
        if not logged:
            raise InputError(f"{self.folder}: its log has no {name}")
        return rates.by_step(logged, words, label)

    def _view(self) -> View:
        title = (
            f"TrainingResult: {self.epochs} epochs, {self.steps:,} steps on {self.images:,} photos "
            f"of {self.identities:,} identities"
        )
        lines = []
        if not self.finished:
            lines.append("stopped before its end: continue it with resume=True")
        if self.validation is None:
            lines.append("nobody was held out, so the model was compared with nothing")
        else:
            interval = self.validation_interval
            value = f"{self.validation:.4f}" if interval is None else auc_text(interval)
            lines.append(
                f"validation {self.measure} on {self.validation_people:,} unseen identities: "
                f"{value}"
            )
        lines += [f"AUC of {baseline}" for baseline in self.baselines]
        lines += self.start.lines() if self.start is not None else []
        if self.bad_images:
            lines.append(f"{len(self.bad_images):,} photos could not be read")
        lines.append(f"model: {self.model}")
        return View(title, lines)

    def _plots(self) -> Sequence[Plot]:
        logged = {name for line in self._log() for name in line}
        named = {"train/loss": "training loss", self._validated: f"validation {self.measure}"}
        return [self._curve(name, words) for name, words in named.items() if name in logged]
