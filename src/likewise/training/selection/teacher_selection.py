"""Model selection without labels: the network is compared with its teacher on held-out photos."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.losses.distillation import PROJECTED
from likewise.models.embedder import Embedder
from likewise.training.recipe.recipe import Recipe
from likewise.training.recipe.validation_metric import AUC
from likewise.training.selection.model_selection import ModelSelection
from likewise.training.setup.run_folder import MODEL
from likewise.training.setup.taught_photos import embed_both_sides
from likewise.training.setup.unlabelled import is_unlabelled, learns_from_teacher_alone
from likewise.training.step.teacher import Distilling
from likewise.training.stopping import StopRequest
from likewise.training.validation import Validated, interruptible, require_nonzero

__all__ = ["TeacherSelection", "agreement", "selection_for"]

log = logging.getLogger(__name__)
NO_ERROR = np.zeros(1)  # the photos are the same after every epoch
MOST = 2000  # held-out photos compared: the cosine's error is far below a thousandth then


class TeacherSelection(ModelSelection):
    """Compares with the teacher after each epoch, and saves the network that is most like it.

    Args:
        positional: those of ``ModelSelection``.

    Attributes:
        held_out: the photos to compare on; None without any.
    """

    def __init__(self, *positional: Any) -> None:
        super().__init__(*positional)
        self.held_out = self.validation
        self.validation = None  # without identities there are no pairs to verify
        self.starts_ready = False  # nothing is saved before the first step
        self._taught: Tensor | None = None
        projected = self.recipe.distill.kind in PROJECTED
        if self.metric != AUC:
            raise InputError(
                f"training.metric: {self.measure}: photos without identities are compared with "
                "the teacher's embeddings; leave it out"
            )
        self.measure = "cosine to the teacher" if projected else "correlation with the teacher"
        self.trainer.best.measure = self.measure

    @property
    def validates(self) -> bool:
        """Whether there are held-out photos, on rank 0."""
        return self.held_out is not None

    def _validate(self, report: dict[str, float], stop: StopRequest) -> None:
        held = self.held_out
        if held is None or not isinstance(self.trainer.loss, Distilling):
            super()._validate(report, stop)
            return
        trainer = self.trainer
        if not self.due:
            return
        interrupt, module = self._interrupt_of(stop), trainer.network()
        with interruptible(module, interrupt):
            self.statistics.recompute(module, trainer.moved_norms())
        some = held.manifest.take(range(min(MOST, len(held.manifest))))
        if self._taught is None:
            teacher = self.trainer.loss.teacher
            with interruptible(teacher.module, interrupt):
                self._taught = embed_both_sides(teacher, some)
        embedder = self.embedder(module, None)
        with interruptible(module, interrupt):
            if held.pixels is not None:
                vectors = embedder.embed_pixels(held.pixels[: len(some)], normalize=False)
                taught = self._taught
            else:
                found = embedder.embed_rows(some, slice(0, len(some)), on_bad_image="skip")
                vectors = found.vectors * found.norms[:, None]
                taught = self._taught[list(found.rows)]
        require_nonzero(vectors, "held-out photos")
        value = agreement(torch.from_numpy(vectors), taught, self.trainer.loss)
        report["val/teacher"] = value
        kept = trainer.best.update(AucEstimate(value, NO_ERROR, 2), trainer.epoch)
        log.info(
            "epoch %d: %s %.4f%s", trainer.epoch, self.measure, value, " (kept)" if kept else ""
        )
        if kept:
            embedder.about["Validation"] = (
                f"{self.measure} {value:.4f} on {len(some):,} unseen photos without labels"
            )
            embedder.save(self.folder / MODEL)

    def embedder(self, module: nn.Module, measured: Validated | None) -> Embedder:
        """That of ``ModelSelection``, without identities."""
        embedder = super().embedder(module, measured)
        embedder.identities = None  # it has learned from nobody's name
        return embedder


def agreement(student: Tensor, teacher: Tensor, loss: Distilling) -> float:
    """How alike a student and its teacher are on photos that neither was trained on.

    Args:
        student: the embeddings of N photos, [N, D].
        teacher: of the same photos, [N, E].
        loss: that distils: the mean cosine under its kinds that compare embeddings (``cosine``,
            ``l2``), else the correlation of the cosines of all pairs of photos.
    """
    distillation = loss.distillation
    if distillation.kind not in PROJECTED:
        upper = torch.triu_indices(len(student), len(student), 1)
        cosines = [(F.normalize(x) @ F.normalize(x).T)[*upper] for x in (student, teacher)]
        return float(torch.corrcoef(torch.stack(cosines))[0, 1])
    if distillation.projection is not None:
        student = student @ distillation.projection.weight.detach().cpu().T
    return float(F.cosine_similarity(student, teacher).mean())


def selection_for(recipe: Recipe, training: Manifest) -> type[ModelSelection]:
    """The selection for labeled photos, or the one for photos without identities."""
    alone = learns_from_teacher_alone(recipe) and is_unlabelled(training)
    return TeacherSelection if alone else ModelSelection
