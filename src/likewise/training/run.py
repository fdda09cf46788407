"""A run from end to end: a manifest and a recipe become a folder with a trained embedder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.progress import progress
from likewise.storage import output_folder, require_writable, write_text
from likewise.training.checkpoints.reader import Checkpoint
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.log import TEXT, RunLog
from likewise.training.monitoring.out_of_memory import explained_out_of_memory
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.throughput import epoch_line, progress_line
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.build import describe_start, seed_everything
from likewise.training.setup.photo_record import PHOTOS, keep_records
from likewise.training.setup.prepare import end_loading, loader_of, prepare
from likewise.training.setup.resume import change_epochs, read_resumed_run
from likewise.training.setup.run_folder import (
    CHECKPOINTS,
    RECIPE,
    TrainingResult,
    recipe_of,
    require_same_start,
    run_lock,
)
from likewise.training.setup.unlabelled import read_training_photos
from likewise.training.step.guards import Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import StopRequest
from likewise.training.teacher_selection import selection_for

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)
TRACE = "trace{}.json"
UNVALIDATED = "unmeasured"  # key of a checkpoint that was saved during a validation


def train(
    data: Manifest | str | Path,
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    keep: int | None = None,
    profile: int = 0,
    epochs: int | None = None,
    start: str | Path | None = None,
) -> TrainingResult:
    """Train an embedder on labeled photos.

    Identities are split into training and validation, by the manifest's column ``split`` if it has
    one. After each epoch the network is validated on identities that it is not trained on, and the
    best one is saved in ``out/model``. Ctrl-C or SIGTERM stops after the current step, or during
    the validation, which is then repeated; ``resume`` continues as if nothing had happened. Under
    ``torchrun`` all processes call this function with the same arguments and train together.

    Args:
        data: a manifest, a folder of identities, or a table.
        out: the run's folder: recipe, log, TensorBoard curves, checkpoints and model.
        recipe: the settings of the run; a resumed run has its own.
        resume: continue the run in ``out``, with any number of processes.
        keep: the number of checkpoints to keep; None: as in the recipe.
        profile: the number of steps to profile, after three for warm-up; then ``out/trace.json`` is
            written and the run stops as by Ctrl-C: ``resume`` continues it. 0: no profile.
        epochs: the number of epochs to train; None: as in the recipe. With ``resume``, the run,
            finished or not, continues to this number, from now on with the learning rates of the
            new schedule, and its recipe is updated.
        start: a ready model to train further, such as ``sface``; without a recipe by that of
            ``tune``. It is saved first, and an epoch replaces it only if it is clearly better.

    Raises:
        InputError: the data, the recipe or the folder cannot be used; says which and why.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
        LikewiseError: too many steps are not finite (the last good one is saved), the disk is full,
            memory is not enough, or another process of the run is lost.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> from likewise.training.run import train
        >>> short = recipe_with(Recipe(), ["schedule.epochs=1", "input.height=32",
        ...     "input.width=32", "model.embedding_dim=32", "data.val_identities=0"])
        >>> train(photos, out, short).finished
        True
    """
    folder = Path(out)
    chosen = recipe_of(folder, recipe, resume=resume, keep=keep, epochs=epochs, start=start)
    manifest = data if isinstance(data, Manifest) else read_training_photos(data, recipe=chosen)
    with Processes(chosen.training.peer_timeout_s) as processes, explained_out_of_memory():
        processes.together(lambda: require_writable(folder))
        return _Run(manifest, folder, chosen, resume, processes, profile).complete()


class _Run:
    """A run: its parts, prepared for the first step, and the loop over epochs."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        recipe: Recipe,
        resume: bool,
        processes: Processes,
        profile: int,
    ) -> None:
        self.folder, self.recipe, self.processes = folder, recipe, processes
        self.fingerprint, self.resume = manifest.fingerprint, resume
        require_same_start(processes, recipe, self.fingerprint)
        device = processes.together(lambda: processes.device(recipe.training.device))
        self.resumed = processes.together(
            lambda: read_resumed_run(folder, warn=processes.is_rank_zero) if resume else None
        )
        trace = folder / TRACE.format("" if processes.is_rank_zero else f"-{processes.rank}")
        steps = StepProfile(profile, device, trace)
        prepared = prepare(manifest, recipe, folder, device, processes, self.resumed, steps)
        self.trainer, self.photos = prepared.trainer, prepared.photos
        components = prepared.components
        self.training, self.sampler = components.training, components.sampler
        self.batch_photos = components.batch_photos
        statistics = NormStatistics(prepared.dataset(recipe), recipe.training.seed)
        self.selection = selection_for(recipe, self.training)(
            self.trainer, self.photos, statistics, self.fingerprint, folder, processes
        )
        self.unvalidated: dict[str, float] | None = None  # the report of an epoch to be validated
        self._last_report, self._new_epochs = dict[str, float](), ""  # the latter: see _begin
        if processes.count > 1:  # all ranks draw the same weights, but different dropout masks
            seed_everything(recipe.training.seed * 65_537 + processes.rank)
        self.loader = loader_of(prepared, recipe, device, processes)
        keep = recipe.training.keep_checkpoints
        self.checkpoints = Checkpoints(folder / CHECKPOINTS, processes, keep)
        self._photos_sha256 = ""
        self._saved_at = time.monotonic()

    def complete(self) -> TrainingResult:
        """Train to the end, or until a stop is requested."""
        # Signals are handled until all is saved: a second SIGTERM must not spoil the saving.
        with StopRequest() as stop, ExitStack() as stack:
            self.processes.together(lambda: self._lock(stack))
            stack.callback(self.checkpoints.abandon)
            stack.callback(self.trainer.gradients.release)
            self._begin()
            try:
                finished = self._train(stop)
            except Stopped:  # raised on all ranks: complete the checkpoint that is being written
                self.checkpoints.wait()
                raise
            self.checkpoints.wait()
            signals = self.processes.all_gather_object(int(stop.signal or 0))
        return self._result(finished=finished, stopped_by=max(signals) or None)

    def _lock(self, stack: ExitStack) -> None:
        if self.processes.is_rank_zero:
            stack.enter_context(run_lock(output_folder(self.folder)))

    def _begin(self) -> None:
        """Write the recipe, or restore the newest checkpoint."""
        with self.processes.rank_zero_only() as mine:
            if mine:
                self.checkpoints.clean()
                if not self.resume:
                    write_text(self.folder / RECIPE, self.recipe.to_yaml())
                self._photos_sha256 = keep_records(self.folder / PHOTOS, self.photos.records)
        if not self.resume:
            return
        if (checkpoint := self.checkpoints.newest()) is not None:
            self._restore(checkpoint)
        elif self.processes.is_rank_zero:
            log.warning("%s: no checkpoint yet; the run starts from the beginning", self.folder)
        self._new_epochs = change_epochs(
            self.folder, self.recipe, self.trainer, self.processes, len(self.sampler)
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        compared = self.resumed is not None and self.resumed.records is not None
        if not compared and checkpoint.values.get("data") != self.fingerprint:
            raise InputError(f"{self.folder}: the photos are not those that the run began with")
        self.processes.together(lambda: self.trainer.state.restore(checkpoint))
        if (values := checkpoint.values.get(UNVALIDATED)) is not None:
            self.unvalidated, self.trainer.guard.in_a_row = json.loads(values)

    def _train(self, stop: StopRequest) -> bool:
        """Train epoch by epoch; False if the run is stopped before its end."""
        trainer, epochs = self.trainer, self.recipe.schedule.epochs
        people, batches = len(self.training.identities), len(self.sampler)
        run_log = RunLog(
            self.folder,
            # An epoch that is validated again is also reported again.
            trainer.step_number - (self.unvalidated is not None),
            wandb=self.recipe.training.wandb,
            config=self.recipe.model_dump(mode="json"),
            quiet=not self.processes.is_rank_zero,
        )
        self._log_start()
        total = epochs * batches * self.batch_photos
        done = (trainer.epoch * batches + trainer.state.batch) * self.batch_photos
        try:
            with progress("training", total, done=done) as bar:
                bar.say(
                    f"training on {len(self.training):,} photos of {people:,} people; "
                    f"log: {self.folder / TEXT}"
                )

                def show() -> None:
                    sums = trainer.state.sums
                    bar.show(progress_line(trainer.epoch, epochs, sums, self._last_report))

                def advance(photos: int) -> None:
                    show()
                    bar(photos)

                if not self.selection.begin(stop, self._checkpoint):
                    return False
                while self.unvalidated is not None or self._more_to_train():
                    if self.unvalidated is None:
                        self.unvalidated = trainer.run_epoch(
                            self.loader, self.sampler, advance, stop, self._due,
                            self._checkpoint, self._names,
                        )  # fmt: skip
                    report = self.unvalidated
                    if report is None or not self.selection.after_epoch(report, stop):
                        self._checkpoint()
                        return False
                    self.unvalidated = None
                    self._last_report |= report
                    show()
                    run_log.report(trainer.step_number, {"epoch": trainer.epoch, **report})
                    self._checkpoint()
                    log.info("%s", epoch_line(trainer.epoch, epochs, report))
                    enough = stop.signal is not None or trainer.profile.enough
                    if self.processes.any(enough) and trainer.epoch < epochs:
                        return False
        finally:
            end_loading(self.loader)
            trainer.profile.finish()  # also of a run with fewer steps than the profile wants
            run_log.close()
        return True

    def _log_start(self) -> None:
        log.info("%d photos of %d people", len(self.training), len(self.training.identities))
        for line in describe_start(self.recipe, self.trainer.loss):
            log.info("%s", line)
        if self._new_epochs:  # a warning, so that the terminal shows it too
            log.warning("%s", self._new_epochs)
        for bad in self.photos.bad:
            log.info("left out: %s", bad)

    def _names(self, rows: Sequence[int]) -> list[str]:
        return [str(path) for path in self.training.table["path"].take(list(rows))]

    def _checkpoint(self) -> None:
        values: dict[str, Any] = {
            "data": self.fingerprint,
            "photos": self._photos_sha256,
            "preprocess": self.trainer.preprocess.to_dict(),
        }
        if self.unvalidated is not None:
            values[UNVALIDATED] = json.dumps([self.unvalidated, self.trainer.guard.in_a_row])
        self.trainer.state.save(self.checkpoints, values)
        self._saved_at = time.monotonic()

    def _due(self) -> bool:
        """Whether it is time for a checkpoint; also after a failed one, to raise its error."""
        if self.checkpoints.failed:
            return True
        minutes = (time.monotonic() - self._saved_at) / 60
        return self.processes.is_rank_zero and minutes > self.recipe.training.checkpoint_minutes

    def _more_to_train(self) -> bool:
        patience, trainer = self.recipe.training.patience, self.trainer
        return trainer.epoch < self.recipe.schedule.epochs and (
            not patience or trainer.best.waited < patience
        )

    def _result(self, *, finished: bool, stopped_by: int | None) -> TrainingResult:
        best, held_out = self.trainer.best, self.selection.validation
        return TrainingResult(
            folder=self.folder,
            epochs=self.trainer.epoch,
            finished=finished,
            validation=best.value if best.epoch >= 0 else None,
            bad_images=[*self.photos.bad, *self.trainer.state.bad.values()],
            identities=len(self.training.identities),
            images=len(self.training),
            stopped_by=None if finished else stopped_by,
            profile=self.trainer.profile.result,
            validation_people=held_out.people if held_out is not None else 0,
            start=self.selection.start.measured if self.selection.start is not None else None,
            measure=self.selection.measure,
        )
