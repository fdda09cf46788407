"""Model selection: after an epoch, validate the network, and save it if it is to be kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from likewise.distances.resolution import mean_cosine
from likewise.errors import LikewiseError
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.validation_metric import Metric
from likewise.training.selection.collapse_check import CollapseCheck
from likewise.training.selection.comparison import Comparison
from likewise.training.selection.saved_model import embedder_of, saved_epoch, validation_text
from likewise.training.selection.start_model import StartModel
from likewise.training.selection.start_validation import measure_start
from likewise.training.setup.readable_photos import PhotosRead
from likewise.training.setup.run_folder import MODEL
from likewise.training.setup.start import begins_as_it_is
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.step.schedule import epochs_between_validations, total_epochs
from likewise.training.stopping import FEWEST, StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import (
    ENOUGH,
    Interruption,
    Validated,
    Validation,
    interruptible,
    require_nonzero,
)

__all__ = ["ModelSelection"]

log = logging.getLogger(__name__)


class ModelSelection:
    """Validates after each epoch and saves the model to keep, on rank 0; the other ranks wait.

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
        metric: what the epochs are compared by.
        measure: the same in words.
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
        self.training_photos = photos.training
        self.fingerprint, self.folder, self.processes = fingerprint, folder, processes
        self.metric = Metric.of(self.recipe.training.metric)
        self.measure = self.metric.name
        held_out = photos.held_out
        self.validation: Validation | None = None
        if held_out is not None and len(held_out.manifest):
            seed = self.recipe.training.seed
            self.validation = Validation(held_out.manifest, held_out.pixels, seed, self.metric)
        self.comparison = Comparison(trainer, photos, fingerprint, folder)
        self.collapse = CollapseCheck(trainer)
        self._warned_of_few = False
        self.starts_ready = begins_as_it_is(self.recipe)  # the network of step 0 is trained
        self.start: StartModel | None = None  # on rank 0; see ``before_training``

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
    def validates(self) -> bool:
        """Whether there are held-out photos, on rank 0."""
        return self.validation is not None

    @property
    def photos(self) -> int:
        """The photos that go through the network in a validation, on rank 0."""
        sample = self.statistics.size if self.trainer.moved_norms() else 0
        return sample + (0 if self.validation is None else len(self.validation.manifest))

    def before_training(
        self,
        stop: StopRequest,
        say: Callable[[str], None],
        report: Callable[[int, dict[str, Any]], None],
        checkpoint: Callable[[], None],
    ) -> bool:
        """Measure the baselines; validate the model that the run starts from, and save it.

        An epoch replaces it only if it is clearly better: training from a good model never gives
        less than calibrating it. A resumed run reads what was measured.

        Args:
            stop: ends it.
            say: gets one line for each baseline.
            report: gets the step 0 and the numbers.
            checkpoint: saves one.

        Returns:
            False if a process was asked to stop meanwhile: it has to be repeated.
        """
        if self.starts_ready and not self.trainer.step_number:
            checkpoint()  # a folder with a model and no checkpoint could not be resumed

        def work() -> None:
            if self.validation is not None:
                self.validation.require_measurable()
                self.comparison.measure(self._interrupt_of(stop), say, report)
            if self.starts_ready:
                self._validate_start(stop, say)

        return self._on_rank_zero(work, stop, "before the first step")

    def _validate_start(self, stop: StopRequest, say: Callable[[str], None]) -> None:
        if self.validation is None:
            log.warning("nobody is held out: the start model is not compared with what comes of it")
            return
        if self.trainer.step_number:
            self.start = StartModel.read(self.folder)
            return

        if self.validation.people < FEWEST:
            log.warning(
                "%d identities are held out: too few to tell what is better, so the start model is "
                "kept. Hold out more: --val-identities %d", self.validation.people, FEWEST,
            )  # fmt: skip

        def keep(module: nn.Module, measured: Validated) -> None:
            self.embedder(module, measured).save(self.folder / MODEL)
            self.trainer.best.begin(measured.chosen, measured.auc)

        measure = partial(self.validation.measure, interrupt=self._interrupt_of(stop))
        photos = self.training_photos
        self.start = measure_start(self.trainer, self.folder, photos, measure, keep, say)

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
                    raise self.collapse.diverged(error) from error
        own = [best.value, best.epoch, best.waited, done]
        best.value, epoch, waited, done_on_rank_0 = self.processes.broadcast(own)
        best.epoch, best.waited = int(epoch), int(waited)
        return bool(done_on_rank_0)

    def _validate(self, report: dict[str, float], stop: StopRequest) -> None:
        """Validate the network, and save it if it is to be kept."""
        trainer, last = self.trainer, self.last
        if not last and (self.validation is None or not self.due):
            return
        interrupt, module = self._interrupt_of(stop), trainer.network()
        with interruptible(module, interrupt):
            self.statistics.recompute(module, trainer.moved_norms())
        embedder = self.embedder(module, None)
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
            self.collapse.without_validation(error, last=last)
            return
        if measured is None:
            if self.collapse.usable(cosine, last=last):
                embedder.save(self.folder / MODEL)
            return
        report["val/eer"], report["val/mean_cosine"] = measured.verification.eer, cosine
        for key, found in (("auc", measured.auc), (self.metric.key, measured.chosen)):
            interval = found.interval()
            report[f"val/{key}"] = interval.value
            report[f"val/{key}_low"], report[f"val/{key}_high"] = interval.low, interval.high
        if not self.collapse.usable(cosine, last=last):
            return
        kept = self._is_kept(measured)
        if self.start is not None:
            self.start.compare(trainer.epoch, measured.chosen)
        log.info(
            "epoch %d: %s%s", trainer.epoch, validation_text(measured), " (saved)" if kept else ""
        )
        if not last:
            self.comparison.early(measured.auc, trainer.epoch, self.epochs)
        if kept:
            self.embedder(module, measured).save(self.folder / MODEL)
            if self.start is not None:
                self.start.keep(trainer.epoch)

    def _interrupt_of(self, stop: StopRequest) -> Callable[[], bool]:
        return lambda: stop.signal is not None or self.processes.stop_requested()

    def _is_kept(self, measured: Validated) -> bool:
        """Whether this epoch is saved; with too few held-out people every one is.

        A start model is replaced only if it is clearly beaten, however few they are.
        """
        trainer, validation, found = self.trainer, self.validation, measured.chosen
        if self.start is not None or validation is None or validation.can_choose:
            self._adopt_saved(found.value)
            return trainer.best.update(found, trainer.epoch, measured.auc)
        if not self._warned_of_few:
            self._warned_of_few = True
            text = (
                f"{validation.people} identities are held out, too few to choose the best epoch "
                f"(at least {ENOUGH} are needed): the last epoch is kept"
            )
            if self.recipe.training.patience:
                log.warning("%s, and training.patience has no effect", text)
            else:
                log.info("%s", text)
        trainer.best.set(found, trainer.epoch, measured.auc)
        return True

    def _adopt_saved(self, value: float) -> None:
        """If the saved model is of an epoch whose checkpoint was lost, and is better: that one."""
        found, best = saved_epoch(self.folder / MODEL, self.measure), self.trainer.best
        if found is not None and found[1] > best.epoch and best.ahead(found[0], value):
            log.info("the saved model of epoch %d has %s %.4f", found[1], self.measure, found[0])
            best.adopt(*found)

    def embedder(self, module: nn.Module, measured: Validated | None) -> Embedder:
        """The embedder of a network, calibrated by its validation if there is one."""
        about = {"Data": f"{len(self.training):,} photos, fingerprint {self.fingerprint}"}
        if self.starts_ready:
            about["Started from"] = str(self.recipe.model.weights)
        about |= {} if measured is None else self.comparison.about()
        return embedder_of(self.trainer, self.training.identities, about, module, measured)
