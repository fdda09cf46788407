"""Model selection: after an epoch, validate the network and save it if it is the best so far."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import nn

from likewise.distances.resolution import indistinguishable, mean_cosine
from likewise.errors import InputError, LikewiseError
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.models.embedded.norms import NormReference
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights
from likewise.models.registry import Backbone
from likewise.models.saving import CONFIG
from likewise.storage import read_json
from likewise.training.baseline import auc_text
from likewise.training.comparison import Comparison
from likewise.training.distributed.processes import Processes
from likewise.training.setup.readable_photos import PhotosRead
from likewise.training.setup.run_folder import MODEL
from likewise.training.step.guards import REMEDY, Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.step.schedule import epochs_between_validations, total_epochs
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
PART = 64  # photos: a part of those of a validation, by which its time is known
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
        steps_per_epoch: of the run.

    Attributes:
        validation: on rank 0; None without held-out photos.
        comparison: with raw pixels and the start model.
    """

    def __init__(
        self,
        trainer: Trainer,
        photos: PhotosRead,
        statistics: NormStatistics,
        fingerprint: str,
        folder: Path,
        processes: Processes,
        steps_per_epoch: int,
    ) -> None:
        self.trainer, self.recipe, self.steps_per_epoch = trainer, trainer.recipe, steps_per_epoch
        self.training, self.statistics = photos.training.manifest, statistics
        self.fingerprint, self.folder, self.processes = fingerprint, folder, processes
        held_out = photos.held_out
        self.validation: Validation | None = None
        if held_out is not None and len(held_out.manifest):
            seed = self.recipe.training.seed
            self.validation = Validation(held_out.manifest, held_out.pixels, seed)
        self.comparison = Comparison(trainer, photos, fingerprint, folder)
        self._warned_of_collapse = self._warned_of_few = False

    @property
    def epochs(self) -> int:
        """The epochs of the run."""
        return total_epochs(self.recipe.schedule, self.steps_per_epoch)

    @property
    def last(self) -> bool:
        """Whether the run ends with the last complete epoch."""
        return self.trainer.epoch == self.epochs

    @property
    def due(self) -> bool:
        """Whether the last complete epoch is one to validate."""
        every = epochs_between_validations(self.recipe.training.validate_every, self.epochs)
        return self.last or self.trainer.epoch % every == 0

    @property
    def photos(self) -> int:
        """The photos that go through the network in a validation, on rank 0."""
        sample = self.statistics.size if self.trainer.moved_norms() else 0
        return sample + (0 if self.validation is None else len(self.validation.manifest))

    def rehearse(self, longest: float) -> float:
        """Seconds of a validation with saving the model, on rank 0; nothing is changed.

        Args:
            longest: seconds; a validation that takes longer is timed in part.
        """
        module = self.trainer.network()
        embedder = self._embedder(module, None)
        sample = self.statistics.sample
        part = sample[:PART]
        embedder.embed_pixels(part[:2])  # the libraries settle
        began = time.perf_counter()
        embedder.embed_pixels(part)
        photos = self.photos
        seconds = (time.perf_counter() - began) / max(1, len(part)) * photos
        if seconds > longest or self.validation is None:
            return seconds
        began = time.perf_counter()
        self.statistics.recompute(module, self.trainer.moved_norms())
        with suppress(LikewiseError):  # an untrained network may give all photos one embedding
            measured = self.validation.measure(embedder)
            embedder = self._embedder(module, measured)
        with tempfile.TemporaryDirectory() as folder:
            embedder.save(Path(folder) / MODEL)
        return time.perf_counter() - began

    def before_training(
        self,
        stop: StopRequest,
        say: Callable[[str], None],
        report: Callable[[int, dict[str, Any]], None],
    ) -> bool:
        """Measure the baselines, on rank 0; see ``Comparison.measure``.

        Returns:
            False if a process was asked to stop meanwhile.
        """
        done = True
        with self.processes.rank_zero_only(lambda: stop.signal is not None) as mine:
            if mine:
                try:
                    self.comparison.measure(self._interrupt_of(stop), say, report)
                except Interruption:
                    done = False
        return bool(self.processes.broadcast([done])[0])

    def after_training(self) -> None:
        """Compare the saved network with the baselines."""
        self.comparison.at_end(self.trainer.best.saved)

    def after_epoch(self, report: dict[str, float], stop: StopRequest) -> bool:
        """Validate, and add the numbers to the report.

        Returns:
            False if a process was asked to stop meanwhile: then nothing has changed, and the
            validation has to be repeated.
        """
        best = self.trainer.best
        done = True
        with self.processes.rank_zero_only(lambda: stop.signal is not None) as mine:
            if mine:
                try:
                    self._validate(report, stop)
                except Interruption:
                    done = False
                    log.info("epoch %d: stopped during the validation", self.trainer.epoch)
                except BadWeights as error:
                    raise self._diverged(error) from error
        own = [best.value, best.epoch, best.waited, done]
        best.value, epoch, waited, done_on_rank_0 = self.processes.broadcast(own)
        best.epoch, best.waited = int(epoch), int(waited)
        return bool(done_on_rank_0)

    def _validate(self, report: dict[str, float], stop: StopRequest) -> None:
        """Validate the network, and save it if it is the best so far."""
        trainer, last = self.trainer, self.last
        if not last and (self.validation is None or not self.due):
            return
        interrupt, module = self._interrupt_of(stop), trainer.network()
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
        interval = measured.auc.interval()
        report["val/auc"], report["val/eer"] = interval.value, measured.verification.eer
        report["val/auc_low"], report["val/auc_high"] = interval.low, interval.high
        report["val/mean_cosine"] = cosine
        if not self._usable(cosine, last=last):
            return
        kept = self._is_kept(measured.auc)
        log.info("epoch %d: AUC %s%s", trainer.epoch, auc_text(interval), " (kept)" if kept else "")
        if not last:
            self.comparison.early(measured.auc, trainer.epoch, self.epochs)
        if kept:
            self._save(self._embedder(module, measured))

    def _interrupt_of(self, stop: StopRequest) -> Callable[[], bool]:
        return lambda: stop.signal is not None or self.processes.stop_requested()

    def _is_kept(self, found: AucEstimate) -> bool:
        """Whether this epoch is saved; with too few held-out people every one is."""
        trainer, validation = self.trainer, self.validation
        if validation is None or validation.can_choose:
            self._adopt_saved(found.value)
            return trainer.best.update(found, trainer.epoch)
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
        trainer.best.set(found, trainer.epoch)
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

    def _adopt_saved(self, auc: float) -> None:
        """If the saved model is of an epoch whose checkpoint was lost, and is better: that one."""
        try:
            about = read_json(self.folder / MODEL / CONFIG)["about"]
            saved, epoch = float(about[AUC]), int(about["Epoch"])
        except (InputError, KeyError, TypeError):  # no model, or of a version without this key
            return
        if epoch > self.trainer.best.epoch and saved > auc:
            log.info("the saved model of epoch %d has AUC %.4f", epoch, saved)
            self.trainer.best.adopt(saved, epoch)

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
        if measured is not None:
            numbers = measured.verification
            people = measured.pairs.identities
            about[AUC] = measured.auc.value
            about["Validation"] = (
                f"AUC {auc_text(measured.auc.interval())}, EER {numbers.eer:.4f} on {people} "
                "unseen people"
            )
            about |= self.comparison.about()
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
