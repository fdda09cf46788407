"""The result of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from likewise.data.images import BadImage
from likewise.evaluation.intervals.bootstrap import Interval
from likewise.training.monitoring.profile import Profile
from likewise.training.selection.baseline import Baseline
from likewise.training.selection.start_model import TunedFrom
from likewise.training.setup.run_folder import MODEL

__all__ = ["TrainingResult"]


@dataclass(frozen=True)
class TrainingResult:
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
