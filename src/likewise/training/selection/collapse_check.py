"""A network whose embeddings are all the same, zero or not finite is not saved: the run says so."""

from __future__ import annotations

import logging

from likewise.distances.resolution import indistinguishable
from likewise.errors import LikewiseError
from likewise.models.inference import BadWeights
from likewise.training.step.guards import REMEDY, Stopped
from likewise.training.trainer import Trainer

__all__ = ["CollapseCheck"]

log = logging.getLogger(__name__)
COLLAPSED = 0.99  # mean cosine between embeddings of different photos
IF_COLLAPSED = (
    "Try a lower optimizer.lr, more steps (smaller batches, or more epochs), easier triplets "
    "(loss.miner), or a loss with class weights first"
)


class CollapseCheck:
    """Checks after each epoch whether the network can tell photos apart.

    Args:
        trainer: of the network.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._warned = False

    def usable(self, cosine: float, *, last: bool) -> bool:
        """Whether the network can tell photos apart at all; warns if it hardly can.

        Args:
            cosine: the mean cosine between embeddings of different photos.
            last: whether this is the last epoch.

        Raises:
            LikewiseError: it cannot, and no model was saved after an earlier epoch.
        """
        if not indistinguishable(cosine):
            if cosine > COLLAPSED and self.trainer.recipe.guards.watch and not self._warned:
                self._warned = True
                log.warning(
                    "epoch %d: the network gives all photos nearly the same embedding "
                    "(mean cosine %.4f). %s", self.trainer.epoch, cosine, IF_COLLAPSED,
                )  # fmt: skip
            return True
        problem = "the network gives all photos the same embedding within float32 precision"
        if last and self.trainer.best.epoch < 0:
            raise LikewiseError(f"training: {problem}, and no model was saved. {IF_COLLAPSED}")
        log.warning("epoch %d: %s; not saved. %s", self.trainer.epoch, problem, IF_COLLAPSED)
        return False

    def diverged(self, error: BadWeights) -> Stopped:
        """The error for weights that have diverged although every step was finite."""
        best = self.trainer.best.epoch
        kept = f"The model of epoch {best} is kept" if best >= 0 else "No model was saved"
        return Stopped(
            f"training: after epoch {self.trainer.epoch} the network has diverged ({error}). "
            f"{kept}. {REMEDY}"
        )

    def without_validation(self, error: LikewiseError, *, last: bool) -> None:
        """Continue after a failed validation if steps were skipped: the next epoch may recover.

        Args:
            error: of the validation.
            last: whether this is the last epoch.

        Raises:
            LikewiseError: no step was skipped, or no model was saved after an earlier epoch.
        """
        trainer, bad = self.trainer, self.trainer.guard.in_a_row
        if not bad:
            raise error
        if last and trainer.best.epoch < 0:
            raise LikewiseError(
                f"training: it ended with {bad} steps in a row that were not finite, and no model "
                f"was saved. {REMEDY}"
            ) from error
        log.warning("epoch %d: not validated (%s)", trainer.epoch, error)
