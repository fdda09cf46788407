"""The loop of a run: its parts, prepared for the first step, then epoch after epoch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from likewise.data.augmentation.own_transform import OwnTransform
from likewise.data.manifest import Manifest
from likewise.progress import progress
from likewise.storage import output_folder, write_text
from likewise.training.callbacks import Callback, RunCallbacks, TrainingRun
from likewise.training.distributed.processes import Processes
from likewise.training.fitting import pace_of
from likewise.training.monitoring.log import TEXT, RunLog
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.throughput import epoch_line, progress_line
from likewise.training.recipe.recipe import Recipe, load_recipe
from likewise.training.result import TrainingResult
from likewise.training.run_length import RunLength
from likewise.training.saving import Saving
from likewise.training.selection.teacher_selection import selection_for
from likewise.training.setup.build import describe_start, seed_everything
from likewise.training.setup.photo_record import PHOTOS, keep_records
from likewise.training.setup.prepare import loader_of, prepare
from likewise.training.setup.resume import change_length, place_of, read_resumed_run
from likewise.training.setup.run_folder import RECIPE, require_same_start, run_lock
from likewise.training.step.guards import Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import StopRequest

__all__ = ["Run"]

log = logging.getLogger(__name__)
TRACE = "trace{}.json"


class Run:
    """A run: its parts, prepared for the first step, and the loop over epochs."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        recipe: Recipe,
        resume: bool,
        processes: Processes,
        profile: int,
        began: float,
        why: str = "",
        callbacks: Sequence[Callback] = (),
        transform: OwnTransform | None = None,
    ) -> None:
        self.folder, self.resume, self.processes, self.why = folder, resume, processes, why
        require_same_start(processes, recipe, manifest.fingerprint)
        device = processes.together(lambda: processes.device(recipe.training.device))
        self.resumed = processes.together(
            lambda: read_resumed_run(folder, warn=processes.is_rank_zero) if resume else None
        )
        trace = folder / TRACE.format("" if processes.is_rank_zero else f"-{processes.rank}")
        measured = StepProfile(profile, device, trace)
        prepared = prepare(
            manifest, recipe, folder, device, processes, self.resumed, measured, transform
        )
        self.prepared, self.trainer, self.photos = prepared, prepared.trainer, prepared.photos
        self.training, self.sampler = prepared.components.training, prepared.components.sampler
        statistics = NormStatistics(prepared.dataset(recipe), recipe.training.seed)
        self.selection = selection_for(recipe, self.training)(
            self.trainer, self.photos, statistics, manifest.fingerprint, folder, processes,
            len(self.sampler),
        )  # fmt: skip
        self._last_report: dict[str, float] = {}
        self._new_length = ""  # describes that of a budget, or of a resumed run
        if processes.count > 1:  # all ranks draw the same weights, but different dropout masks
            seed_everything(recipe.training.seed * 65_537 + processes.rank)
        self.batches = loader_of(prepared, recipe, device, processes)
        self.saving = Saving(self.trainer, recipe, folder, processes, manifest.fingerprint)
        self.length = RunLength(recipe, prepared, self.batches, self.selection, processes, began)
        seen = TrainingRun(folder, self.trainer, self.length)
        self.callbacks = RunCallbacks(callbacks, seen)
        self._holds_out = processes.any(self.selection.validates)

    @property
    def recipe(self) -> Recipe:
        """With the length as it is now."""
        return self.length.recipe

    def complete(self) -> TrainingResult:
        """Train to the end, or until a stop is requested."""
        # Signals are handled until all is saved: a second SIGTERM must not spoil the saving.
        with StopRequest() as stop, ExitStack() as stack:
            self.processes.together(lambda: self._lock(stack))
            stack.callback(self.saving.checkpoints.abandon)
            stack.callback(self.trainer.gradients.release)
            stack.callback(self.batches.end)
            self._begin(stop)
            try:
                finished = self._train(stop)
            except Stopped:  # raised on all ranks: complete the checkpoint that is being written
                self.saving.checkpoints.wait()
                raise
            finally:
                self.callbacks.end()
            self.saving.checkpoints.wait()
            self.callbacks.raise_failure()
            number = 0 if stop.by_program else int(stop.signal or 0)
            signals = self.processes.all_gather_object(number)
        return self._result(finished=finished, stopped_by=max(signals) or None)

    def _lock(self, stack: ExitStack) -> None:
        if self.processes.is_rank_zero:
            stack.enter_context(run_lock(output_folder(self.folder)))

    def _begin(self, stop: StopRequest) -> None:
        """Write the recipe, or restore the newest checkpoint."""
        with self.processes.rank_zero_only() as mine:
            if mine:
                self.saving.checkpoints.clean()
                kept = keep_records(self.folder / PHOTOS, self.photos.records)
                self.saving.photos_sha256 = kept
        place = 0
        if self.resume:
            compared = self.resumed is not None and self.resumed.records is not None
            self.saving.restore(compared=compared)
            own = self.processes.together(lambda: load_recipe(self.folder / RECIPE))
            place = place_of(self.trainer, own.schedule, len(self.sampler))
        self._new_length = self.length.plan(place, self.saving.seconds, stop)
        if not self.resume:
            self._write_recipe()
        else:
            changed = change_length(
                self.folder, self.recipe, self.trainer, self.processes, len(self.sampler)
            )
            self._new_length = "; ".join(filter(None, (self._new_length, changed)))
            if self.trainer.state.batch:
                self.saving.unvalidated = None  # the epoch that was the last one goes on

    def _train(self, stop: StopRequest) -> bool:
        """Train epoch by epoch; False if the run is stopped before its end."""
        trainer, saving = self.trainer, self.saving
        batches, photos, length = (
            len(self.sampler),
            self.prepared.components.batch_photos,
            self.length,
        )
        run_log = RunLog(
            self.folder,
            # An epoch that is validated again is also reported again.
            trainer.step_number - (saving.unvalidated is not None),
            wandb=self.recipe.training.wandb,
            mlflow=self.recipe.training.mlflow,
            config=self.recipe.model_dump(mode="json"),
            quiet=not self.processes.is_rank_zero,
        )
        self._log_start()
        done = length.done
        try:
            with progress("training", length.steps * photos, done=done * photos) as bar:
                bar.say(
                    f"training on {len(self.training):,} photos of "
                    f"{len(self.training.identities):,} identities; log: {self.folder / TEXT}"
                )
                for line in filter(None, (*self.why.splitlines(), self._new_length)):
                    bar.say(line)
                    log.info("%s", line)
                pace = pace_of(
                    self.recipe, self.selection, batches, photos, length.steps - done, bar.say,
                    length.left,
                )  # fmt: skip

                def show() -> None:
                    sums = trainer.state.sums
                    measured = (f"val/{self.selection.metric.key}", self.selection.measure)
                    bar.show(
                        progress_line(
                            trainer.epoch, length.epochs, sums, self._last_report, *measured
                        )
                    )

                def advance(photos: int) -> None:
                    show()
                    bar(photos)
                    pace.step()

                self.callbacks.begin(stop)
                if not self.selection.before_training(stop, bar.say, run_log.report, saving.save):
                    saving.save()
                    return False
                length.begin()
                while saving.unvalidated is not None or self._more_to_train():
                    if saving.unvalidated is None:
                        self.callbacks.call("before_epoch")
                        saving.unvalidated = trainer.run_epoch(
                            self.batches, self.sampler, advance, stop, saving.due, saving.save,
                            self._names,
                        )  # fmt: skip
                    report = saving.unvalidated
                    if report is None or not self._validate(report, stop):
                        saving.save()
                        return False
                    saving.unvalidated = None
                    self._last_report |= report
                    show()
                    run_log.report(trainer.step_number, {"epoch": trainer.epoch, **report})
                    log.info("%s", epoch_line(trainer.epoch, length.epochs, report))
                    self.callbacks.call("after_epoch")
                    enough = self.processes.any(stop.signal is not None or trainer.profile.enough)
                    late = length.shorten_if_late()
                    # Saving costs as much as some steps: an epoch of a few steps goes without.
                    if late or enough or self.selection.due or self.processes.any(saving.due()):
                        saving.save()
                    if late:
                        saving.checkpoints.wait()  # killed between both, the run is the longer one
                        self._write_length()
                        bar.say(late)
                        bar.expect(length.steps * photos)
                        pace.steps = length.steps - done
                    if enough and trainer.epoch < length.epochs:
                        return False
                self.selection.comparison.at_end(trainer.best.saved_auc)
                run_log.finished = True
        finally:
            self.batches.end()
            trainer.profile.finish()  # also of a run with fewer steps than the profile wants
            run_log.close()
        return True

    def _validate(self, report: dict[str, float], stop: StopRequest) -> bool:
        """After an epoch; False if the validation has to be repeated, since the run is stopped."""
        due = self.selection.due and self._holds_out
        if due:
            self.callbacks.call("before_validation")
        if not self.selection.after_epoch(report, stop):
            return False
        self.callbacks.report({"epoch": self.trainer.epoch, **report})
        if due:
            self.callbacks.call("after_validation")
        return True

    def _write_recipe(self) -> None:
        with self.processes.rank_zero_only() as mine:
            if mine:
                write_text(self.folder / RECIPE, self.recipe.to_yaml())

    def _write_length(self) -> None:
        """Write the new length into the recipe, whose other keys may differ in a resumed run."""
        with self.processes.rank_zero_only() as mine:
            if mine:
                own = load_recipe(self.folder / RECIPE)
                changed = own.model_copy(update={"schedule": self.recipe.schedule})
                write_text(self.folder / RECIPE, changed.to_yaml())

    def _log_start(self) -> None:
        log.info("%d photos of %d identities", len(self.training), len(self.training.identities))
        left_out = [f"left out: {bad}" for bad in self.photos.bad]
        for line in (*describe_start(self.recipe, self.trainer.loss), *left_out):
            log.info("%s", line)

    def _names(self, rows: Sequence[int]) -> list[str]:
        return [str(path) for path in self.training.table["path"].take(list(rows))]

    def _more_to_train(self) -> bool:
        patience, trainer = self.recipe.training.patience, self.trainer
        return trainer.epoch < self.length.epochs and (
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
            steps=self.trainer.step_number,
            validation_interval=best.interval if held_out is not None else None,
            baselines=tuple(self.selection.comparison.found),
            start=self.selection.start.measured if self.selection.start is not None else None,
            measure=self.selection.measure,
        )
