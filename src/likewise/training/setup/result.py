"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from likewise.data.images import BadImage
from likewise.training.monitoring.profile import Profile

__all__ = ["MODEL", "TrainingResult"]

MODEL = "model"


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Args:
        folder: of the run; ``folder/model`` is the embedder that was kept.
        epochs: how many were trained.
        finished: False if it was stopped and waits for ``resume``.
        validation: the validation AUC of the epoch that was kept, or None without held-out
            identities.
        bad_images: the photos that could not be read.
        identities: people trained on.
        images: photos trained on.
        stopped_by: the signal that stopped it, of any of its processes; None if none did.
        profile: where the time of its steps went, if that was asked for.
        validation_people: held out, with two photos or more; of few, the AUC says little.
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

    @property
    def model(self) -> Path:
        """The folder of the embedder."""
        return self.folder / MODEL
