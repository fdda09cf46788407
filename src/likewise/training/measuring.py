"""What comes after an epoch: the network is measured on held-out people, and kept if it is best."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError
from likewise.models.embedder import BadWeights, Embedder
from likewise.models.registry import Backbone
from likewise.training.guards import REMEDY, Stopped
from likewise.training.processes import Processes
from likewise.training.result import MODEL
from likewise.training.stopping import Best, StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import GaveUp, Validated, Validation, calibrated

__all__ = ["Measuring"]

log = logging.getLogger(__name__)


class Measuring:
    """Measures after each epoch, and writes the best model; the first process does, all hear of it.

    Args:
        trainer: whose network it is.
        training: the photos that it is trained on.
        validation: the held-out ones, on the first process; None without any.
        fingerprint: of all photos.
        folder: of the run.
        processes: of the run.
    """

    def __init__(
        self,
        trainer: Trainer,
        training: Manifest,
        validation: Validation | None,
        fingerprint: str,
        folder: Path,
        processes: Processes,
    ) -> None:
        self.trainer, self.recipe = trainer, trainer.recipe
        self.training, self.validation = training, validation
        self.fingerprint, self.folder, self.processes = fingerprint, folder, processes

    def after_epoch(self, report: dict[str, float], stop: StopRequest) -> bool:
        """Measure, and add what came out to the report.

        Returns:
            Whether that was done; if not, some process was asked to stop amid it, and all is as if
            it had not begun.
        """
        best = self.trainer.best
        done = True
        with self.processes.first_alone(lambda: stop.signal is not None) as mine:
            if mine:
                try:
                    self._measure(report, stop)
                except GaveUp:
                    done = False
                    log.info("epoch %d: stopped before it was measured", self.trainer.epoch)
                except BadWeights as error:
                    raise self._diverged(error) from error
        told = [best.value, best.epoch, best.waited, done]
        value, epoch, waited, done_there = self.processes.from_first(told)
        self.trainer.best = Best(value, int(epoch), int(waited))
        return bool(done_there)

    def _measure(self, report: dict[str, float], stop: StopRequest) -> None:
        """Measure, and keep the network if it is the best so far (or if nothing is held out)."""
        trainer, every = self.trainer, self.recipe.training.validate_every
        last = trainer.epoch == self.recipe.schedule.epochs
        if self.validation is None:
            if last:
                self._keep(None)
            return
        if trainer.epoch % every and not last:
            return
        try:
            measured = self.validation.measure(
                self._embedder(None),
                give_up=lambda: stop.signal is not None or self.processes.others_ask(),
            )
        except LikewiseError as error:
            self._not_measured(error, last=last)
            return
        numbers = measured.verification
        report["val/auc"], report["val/eer"] = numbers.auc, numbers.eer
        best = trainer.best.update(numbers.auc, trainer.epoch)
        log.info("epoch %d: AUC %.4f%s", trainer.epoch, numbers.auc, " (best)" if best else "")
        if best:
            self._keep(measured)

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

    def _keep(self, measured: Validated | None) -> None:
        self._embedder(measured).save(self.folder / MODEL)

    def _embedder(self, measured: Validated | None) -> Embedder:
        model = self.recipe.model
        about: dict[str, Any] = {
            "Loss": self.recipe.loss.name,
            "Data": f"{len(self.training):,} photos, fingerprint {self.fingerprint}",
            "Epoch": self.trainer.epoch,
        }
        if measured is not None:
            numbers = measured.verification
            about["Validation"] = f"AUC {numbers.auc:.4f}, EER {numbers.eer:.4f} on unseen people"
        found = calibrated(measured, self.recipe.training.seed) if measured is not None else None
        return Embedder(
            self.trainer.network(),
            self.trainer.preprocess,
            Backbone(model.name, model.embedding_dim, model.dropout),
            operating_point=found.chosen if found else None,
            operating_points=found.points if found else (),
            calibration=found.calibration if found else None,
            identities=self.training.identities,
            about=about,
        )
