"""Model selection: after an epoch, validate the network and save it if it is the best so far."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from likewise.distances.resolution import indistinguishable, mean_cosine
from likewise.errors import InputError, LikewiseError
from likewise.models.embedded.norms import NormReference
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights
from likewise.models.registry import Backbone
from likewise.models.saving import CONFIG
from likewise.storage import read_json
from likewise.training.distributed.processes import Processes
from likewise.training.setup.readable_photos import PhotosRead
from likewise.training.setup.run_folder import MODEL
from likewise.training.setup.start import begins_as_it_is
from likewise.training.start_model import StartModel
from likewise.training.start_validation import measure_start
from likewise.training.step.guards import REMEDY, Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import (
    ENOUGH,
    Interruption,
    Validated,
    Validation,
    calibrated,
    interruptible,
    require_nonzero,
)

__all__ = ["ModelSelection"]

log = logging.getLogger(__name__)
COLLAPSED = 0.99  # mean cosine between embeddings of different photos
AUC = "Validation AUC"  # key in the model's configuration, with all digits
IF_COLLAPSED = (
    "Try a lower optimizer.lr, more steps (smaller batches, or more epochs), easier triplets "
    "(loss.mining), or a loss with class weights first"
)


class ModelSelection:
    """Validates after each epoch and saves the best model, on rank 0; the other ranks wait.

    Args:
        trainer: of the network.
        photos: for training and validation.
        statistics: recomputes the statistics of batch normalisation before the validation.
        fingerprint: of the manifest.
        folder: of the run.
        processes: of the run.

    Attributes:
        validation: on rank 0; None without held-out photos.
        measure: what the epochs are compared by, in words.
    """

    measure = "AUC"

    def __init__(
        self,
        trainer: Trainer,
        photos: PhotosRead,
        statistics: NormStatistics,
        fingerprint: str,
        folder: Path,
        processes: Processes,
    ) -> None:
        self.trainer, self.recipe = trainer, trainer.recipe
        self.photos, self.statistics = photos.training, statistics
        self.training = photos.training.manifest
        self.fingerprint, self.folder, self.processes = fingerprint, folder, processes
        held_out = photos.held_out
        self.validation: Validation | None = None
        if held_out is not None and len(held_out.manifest):
            seed = self.recipe.training.seed
            self.validation = Validation(held_out.manifest, held_out.pixels, seed)
        self._warned_of_collapse = self._warned_of_few = False
        self.start: StartModel | None = None  # on rank 0; see ``begin``

    def begin(self, stop: StopRequest, checkpoint: Callable[[], None]) -> bool:
        """Before the first step: validate the model that the run starts from, and save it.

        An epoch replaces it only if it is clearly better: training from a good model never gives
        less than calibrating it. A resumed run reads what was measured.

        Returns:
            False if a process was asked to stop meanwhile: it has to be repeated.
        """
        if not begins_as_it_is(self.recipe):
            return True
        if not self.trainer.step_number:
            checkpoint()  # a folder with a model and no checkpoint could not be resumed
        return self._on_rank_zero(lambda: self._begin(stop), stop, "before the first step")

    def _begin(self, stop: StopRequest) -> None:
        if self.validation is None:
            log.warning("nobody is held out: the start model is not compared with what comes of it")
            return
        if self.trainer.step_number:
            self.start = StartModel.read(self.folder)
            return

        def keep(module: nn.Module, measured: Validated) -> None:
            self._save(self._embedder(module, measured))
            self.trainer.best.set(measured.verification.auc, 0)

        interrupt = partial(self._interrupted, stop)
        measure = partial(self.validation.measure, interrupt=interrupt)
        self.start = measure_start(self.trainer, self.folder, self.photos, measure, keep)

    def after_epoch(self, report: dict[str, float], stop: StopRequest) -> bool:
        """Validate, and add the numbers to the report.

        Returns:
            False if a process was asked to stop meanwhile: then nothing has changed, and the
            validation has to be repeated.
        """
        when = f"epoch {self.trainer.epoch}"
        return self._on_rank_zero(lambda: self._validate(report, stop), stop, when)

    def _on_rank_zero(self, work: Callable[[], None], stop: StopRequest, when: str) -> bool:
        """Validate on rank 0, and tell the others; False if a process was asked to stop."""
        best = self.trainer.best
        done = True
        with self.processes.rank_zero_only(lambda: stop.signal is not None) as mine:
            if mine:
                try:
                    work()
                except Interruption:
                    done = False
                    log.info("%s: stopped during the validation", when)
                except BadWeights as error:
                    raise self._diverged(error) from error
        own = [best.value, best.epoch, best.waited, done]
        best.value, epoch, waited, done_on_rank_0 = self.processes.broadcast(own)
        best.epoch, best.waited = int(epoch), int(waited)
        return bool(done_on_rank_0)

    def _validate(self, report: dict[str, float], stop: StopRequest) -> None:
        """Validate the network, and save it if it is the best so far."""
        trainer, every = self.trainer, self.recipe.training.validate_every
        last = trainer.epoch == self.recipe.schedule.epochs
        if not last and (self.validation is None or trainer.epoch % every):
            return

        interrupt = partial(self._interrupted, stop)
        module = trainer.network()
        with interruptible(module, interrupt):
            self.statistics.recompute(module, trainer.moved_norms())
        embedder = self._embedder(module, None)
        measured: Validated | None = None
        try:
            if self.validation is not None:
                measured = self.validation.measure(embedder, interrupt)
                cosine = measured.mean_cosine
            else:
                with interruptible(module, interrupt):
                    vectors = embedder.embed_pixels(self.statistics.sample)
                require_nonzero(vectors, "training photos")
                cosine = mean_cosine(vectors)
        except LikewiseError as error:
            self._without_validation(error, last=last)
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
        beaten = self.start is None or self.start.is_beaten(trainer.best, trainer.epoch, measured)
        kept = beaten and self._is_best(numbers.auc)
        log.info("epoch %d: AUC %.4f%s", trainer.epoch, numbers.auc, " (kept)" if kept else "")
        if kept:
            self._save(self._embedder(module, measured))
            if self.start is not None:
                self.start.keep(trainer.epoch)

    def _interrupted(self, stop: StopRequest) -> bool:
        return stop.signal is not None or self.processes.stop_requested()

    def _is_best(self, auc: float) -> bool:
        """Whether this epoch is the best so far; with too few held-out people the last one is."""
        trainer, validation = self.trainer, self.validation
        if validation is None or validation.can_choose:
            return trainer.best.update(auc, trainer.epoch) and not self._is_worse_than_saved(auc)
        if not self._warned_of_few:
            self._warned_of_few = True
            text = (
                f"{validation.people} people are held out, too few to choose the best epoch "
                f"(at least {ENOUGH} are needed): the last epoch is kept"
            )
            if self.recipe.training.patience:
                log.warning("%s, and training.patience has no effect", text)
            else:
                log.info("%s", text)
        trainer.best.set(auc, trainer.epoch)
        return True

    def _usable(self, cosine: float, *, last: bool) -> bool:
        """Whether the network can tell photos apart at all; warns if it hardly can.

        Args:
            cosine: the mean cosine between embeddings of different photos.
            last: whether this is the last epoch.

        Raises:
            LikewiseError: it cannot, and no model was saved after an earlier epoch.
        """
        if not indistinguishable(cosine):
            if cosine > COLLAPSED and self.recipe.guards.watch and not self._warned_of_collapse:
                self._warned_of_collapse = True
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

    def _is_worse_than_saved(self, auc: float) -> bool:
        """Whether the saved model is better: it can be of an epoch whose checkpoint was lost."""
        try:
            saved = read_json(self.folder / MODEL / CONFIG)["about"][AUC]
        except (InputError, KeyError, TypeError):  # no model, or of a version without this key
            return False
        if saved <= auc:
            return False
        log.info("the saved model has AUC %.4f and is kept", saved)
        return True

    def _diverged(self, error: BadWeights) -> Stopped:
        """The error for weights that have diverged although every step was finite."""
        best = self.trainer.best.epoch
        kept = f"The model of epoch {best} is kept" if best >= 0 else "No model was saved"
        return Stopped(
            f"training: after epoch {self.trainer.epoch} the network has diverged ({error}). "
            f"{kept}. {REMEDY}"
        )

    def _without_validation(self, error: LikewiseError, *, last: bool) -> None:
        """Continue after a failed validation if steps were skipped: the next epoch may recover."""
        trainer, bad = self.trainer, self.trainer.guard.in_a_row
        if not bad:
            raise error
        if last and trainer.best.epoch < 0:
            raise LikewiseError(
                f"training: it ended with {bad} steps in a row that were not finite, and no model "
                f"was saved. {REMEDY}"
            ) from error
        log.warning("epoch %d: not validated (%s)", trainer.epoch, error)

    def _save(self, embedder: Embedder) -> None:
        embedder.save(self.folder / MODEL)

    def _embedder(self, module: nn.Module, measured: Validated | None) -> Embedder:
        model = self.recipe.model
        about: dict[str, Any] = {
            "Loss": self.recipe.loss.name,
            "Data": f"{len(self.training):,} photos, fingerprint {self.fingerprint}",
            "Epoch": self.trainer.epoch,
        }
        if begins_as_it_is(self.recipe):
            about["Started from"] = model.weights
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
            norms=NormReference.measured(measured.norms) if measured is not None else None,
            identities=self.training.identities,
            about=about,
        )
