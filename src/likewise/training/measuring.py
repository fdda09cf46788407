"""What comes after an epoch: the network is measured on held-out people, and the model is kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from torch import nn

from likewise.data.manifest import Manifest
from likewise.distances.resolution import all_alike, mean_cosine
from likewise.errors import InputError, LikewiseError
from likewise.models.embedder import BadWeights, Embedder
from likewise.models.registry import Backbone
from likewise.models.store import CONFIG
from likewise.storage import read_json
from likewise.training.distributed.processes import Processes
from likewise.training.setup.result import MODEL
from likewise.training.step.guards import REMEDY, Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import Best, StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import (
    ENOUGH,
    GaveUp,
    Validated,
    Validation,
    asking,
    calibrated,
    require_directions,
)

__all__ = ["Measuring"]

log = logging.getLogger(__name__)
ALIKE = 0.99  # mean cosine between embeddings of different photos
AUC = "Validation AUC"  # in the model's configuration, in full
IF_ALIKE = (
    "Try a lower optimizer.lr, more steps (smaller batches, or more epochs), easier triplets "
    "(loss.mining), or a loss with class weights first"
)


class Measuring:
    """Measures after each epoch, and writes the best model; the first process does, all hear of it.

    Args:
        trainer: whose network it is.
        training: the photos that it is trained on.
        validation: the held-out ones, on the first process; None without any.
        statistics: recomputes those of the network's batch normalisations before it is measured.
        fingerprint: of all photos.
        folder: of the run.
        processes: of the run.
    """

    def __init__(
        self,
        trainer: Trainer,
        training: Manifest,
        validation: Validation | None,
        statistics: NormStatistics,
        fingerprint: str,
        folder: Path,
        processes: Processes,
    ) -> None:
        self.trainer, self.recipe = trainer, trainer.recipe
        self.training, self.validation, self.statistics = training, validation, statistics
        self.fingerprint, self.folder, self.processes = fingerprint, folder, processes
        self._told_alike = self._told_too_few = False

    def after_epoch(self, report: dict[str, float], stop: StopRequest) -> bool:
        """Measure, and add what came out to the report.

        Returns:
            Whether that was done; if not, some process was asked to stop amid it, and all is as if
            it had not begun.
        """
        best = self.trainer.best
        done = True
        with self.processes.rank_zero_only(lambda: stop.signal is not None) as mine:
            if mine:
                try:
                    self._measure(report, stop)
                except GaveUp:
                    done = False
                    log.info("epoch %d: stopped before it was measured", self.trainer.epoch)
                except BadWeights as error:
                    raise self._diverged(error) from error
        told = [best.value, best.epoch, best.waited, done]
        value, epoch, waited, done_there = self.processes.broadcast(told)
        self.trainer.best = Best(value, int(epoch), int(waited))
        return bool(done_there)

    def _measure(self, report: dict[str, float], stop: StopRequest) -> None:
        """Measure, and keep the network if it is to be the model."""
        trainer, every = self.trainer, self.recipe.training.validate_every
        last = trainer.epoch == self.recipe.schedule.epochs
        if not last and (self.validation is None or trainer.epoch % every):
            return

        def give_up() -> bool:
            return stop.signal is not None or self.processes.stop_requested()

        module = trainer.network()
        with asking(module, give_up):
            self.statistics.recompute(module, trainer.moved_norms())
        embedder = self._embedder(module, None)
        measured: Validated | None = None
        try:
            if self.validation is not None:
                measured = self.validation.measure(embedder, give_up)
                cosine = measured.mean_cosine
            else:
                with asking(module, give_up):
                    vectors = embedder.embed_pixels(self.statistics.sample)
                require_directions(vectors, "training photos")
                cosine = mean_cosine(vectors)
        except LikewiseError as error:
            self._not_measured(error, last=last)
            return
        if measured is None:
            if self._usable(cosine, last=last):
                self._save(embedder)
            return
        numbers = measured.verification
        report["val/auc"], report["val/eer"] = numbers.auc, numbers.eer
        report["val/mean_cosine"] = cosine
        if not self._usable(cosine, last=last):
            return
        kept = self._is_to_be_kept(numbers.auc)
        log.info("epoch %d: AUC %.4f%s", trainer.epoch, numbers.auc, " (kept)" if kept else "")
        if kept:
            self._save(self._embedder(module, measured))

    def _is_to_be_kept(self, auc: float) -> bool:
        """Whether it is the best so far; with too few people to choose by, the last one stands."""
        trainer, validation = self.trainer, self.validation
        if validation is None or validation.can_choose:
            return trainer.best.update(auc, trainer.epoch) and not self._is_worse(auc)
        if not self._told_too_few:
            self._told_too_few = True
            told = (
                f"{validation.people} people are held out, too few to choose the best epoch by "
                f"(from {ENOUGH} on): the last one is kept"
            )
            if self.recipe.training.patience:
                log.warning("%s, and training.patience has no effect", told)
            else:
                log.info("%s", told)
        trainer.best.take(auc, trainer.epoch)
        return True

    def _usable(self, cosine: float, *, last: bool) -> bool:
        """Whether the network, as it would be saved, tells photos apart at all; warns if hardly.

        Args:
            cosine: the mean between its embeddings of different photos.
            last: whether this is the last epoch.

        Raises:
            LikewiseError: it does not, and neither did an epoch before it.
        """
        if not all_alike(cosine):
            if cosine > ALIKE and self.recipe.guards.watch and not self._told_alike:
                self._told_alike = True
                log.warning(
                    "epoch %d: the network, as it would be saved, answers all photos nearly alike "
                    "(mean cosine %.4f). %s", self.trainer.epoch, cosine, IF_ALIKE,
                )  # fmt: skip
            return True
        told = (
            "the network, as it would be saved, answers all photos alike: their cosines are "
            "closer to 1 than float32 can tell apart"
        )
        if last and self.trainer.best.epoch < 0:
            raise LikewiseError(f"training: {told}, and no epoch gave a model. {IF_ALIKE}")
        log.warning("epoch %d: %s; not kept. %s", self.trainer.epoch, told, IF_ALIKE)
        return False

    def _is_worse(self, auc: float) -> bool:
        """Whether the model that is there is better: of epochs whose checkpoint was lost."""
        try:
            there = read_json(self.folder / MODEL / CONFIG)["about"][AUC]
        except (InputError, KeyError, TypeError):  # none, or from before it was written down
            return False
        if there <= auc:
            return False
        log.info("the model that is there has AUC %.4f and stays", there)
        return True

    def _diverged(self, error: BadWeights) -> Stopped:
        """The weights went astray though every step was finite."""
        best = self.trainer.best.epoch
        kept = f"The model of epoch {best} is kept" if best >= 0 else "No epoch gave a model"
        return Stopped(
            f"training: after epoch {self.trainer.epoch} the network has diverged ({error}). "
            f"{kept}. {REMEDY}"
        )

    def _not_measured(self, error: LikewiseError, *, last: bool) -> None:
        """Amid steps that are not finite those of the next epoch decide; a last one has none."""
        trainer, bad = self.trainer, self.trainer.guard.in_a_row
        if not bad:
            raise error
        if last and trainer.best.epoch < 0:
            raise LikewiseError(
                f"training: it ended with {bad} steps in a row that were not finite, and no epoch "
                f"gave a model. {REMEDY}"
            ) from error
        log.warning("epoch %d: not measured (%s)", trainer.epoch, error)

    def _save(self, embedder: Embedder) -> None:
        embedder.save(self.folder / MODEL)

    def _embedder(self, module: nn.Module, measured: Validated | None) -> Embedder:
        model = self.recipe.model
        about: dict[str, Any] = {
            "Loss": self.recipe.loss.name,
            "Data": f"{len(self.training):,} photos, fingerprint {self.fingerprint}",
            "Epoch": self.trainer.epoch,
        }
        if measured is not None:
            numbers = measured.verification
            people = measured.pairs.identities
            about[AUC] = numbers.auc
            about["Validation"] = (
                f"AUC {numbers.auc:.4f}, EER {numbers.eer:.4f} on {people} unseen people"
            )
        found = calibrated(measured, self.recipe.training.seed) if measured is not None else None
        return Embedder(
            module,
            self.trainer.preprocess,
            Backbone(model.name, model.embedding_dim, model.dropout),
            operating_point=found.chosen if found else None,
            operating_points=found.points if found else (),
            calibration=found.calibration if found else None,
            identities=self.training.identities,
            about=about,
        )
