"""The loop of a run: its parts, prepared for the first step, then epoch after epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from likewise.data.augmentation.own_transform import OwnTransform
from likewise.data.manifest import Manifest
from likewise.progress import duration, progress
from likewise.storage import output_folder, write_text
from likewise.training.distributed.processes import Processes
from likewise.training.fitting import Deadline, fitted, pace_of
from likewise.training.monitoring.log import TEXT, RunLog
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.throughput import epoch_line, progress_line
from likewise.training.recipe.length import with_steps
from likewise.training.recipe.recipe import Recipe, load_recipe
from likewise.training.result import TrainingResult
from likewise.training.saving import Saving
from likewise.training.selection.teacher_selection import selection_for
from likewise.training.setup.build import describe_start, seed_everything
from likewise.training.setup.photo_record import PHOTOS, keep_records
from likewise.training.setup.prepare import loader_of, prepare, warmup_epochs
from likewise.training.setup.resume import change_length, place_of, read_resumed_run
from likewise.training.setup.run_folder import RECIPE, require_same_start, run_lock
from likewise.training.step.guards import Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.step.schedule import total_epochs, total_steps
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
        transform: OwnTransform | None = None,
    ) -> None:
        self.folder, self.recipe, self.resume = folder, recipe, resume
        self.processes, self.began, self.why = processes, began, why
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
        self._left: float | None = None  # seconds of the budget when training begins
        self._deadline: Deadline | None = None  # of a run with a budget
        if processes.count > 1:  # all ranks draw the same weights, but different dropout masks
            seed_everything(recipe.training.seed * 65_537 + processes.rank)
        self.batches = loader_of(prepared, recipe, device, processes)
        self.saving = Saving(self.trainer, recipe, folder, processes, manifest.fingerprint)

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
            self.saving.checkpoints.wait()
            signals = self.processes.all_gather_object(int(stop.signal or 0))
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
        if self.recipe.training.budget_minutes is not None:
            self._plan(place, stop)
        if not self.resume:
            self._write_recipe()
        else:
            changed = change_length(
                self.folder, self.recipe, self.trainer, self.processes, len(self.sampler)
            )
            self._new_length = "; ".join(filter(None, (self._new_length, changed)))
            if self.trainer.state.batch:
                self.saving.unvalidated = None  # the epoch that was the last one goes on

    def _plan(self, done: int, stop: StopRequest) -> None:
        """Set the number of steps that fits into the budget."""
        budget, most = 60 * (self.recipe.training.budget_minutes or 0), self.recipe.schedule.steps
        self.recipe = self.trainer.recipe = self.selection.recipe = fitted(
            self.recipe, self.prepared, self.batches, self.selection, self.saving.seconds,
            self.began, done, stop, self.processes,
        )  # fmt: skip
        steps = self.batches.steps = self.steps
        if self.trainer.watch is not None:
            self.trainer.watch.warmup_epochs = warmup_epochs(self.recipe, len(self.sampler))
        self._left = max(1.0, budget - (time.monotonic() - self.began))
        self._deadline = Deadline(self.began + budget - self.saving.seconds, budget)
        fit = f"{steps - done:,} steps fit into {duration(budget)}"
        if most is not None and steps == most:
            fit = (
                f"{steps:,} steps, the most that the recipe takes, in less than {duration(budget)}"
            )
        self._new_length = fit

    def _train(self, stop: StopRequest) -> bool:
        """Train epoch by epoch; False if the run is stopped before its end."""
        trainer, saving = self.trainer, self.saving
        batches, photos, total = (
            len(self.sampler),
            self.prepared.components.batch_photos,
            self.steps,
        )
        run_log = RunLog(
            self.folder,
            # An epoch that is validated again is also reported again.
            trainer.step_number - (saving.unvalidated is not None),
            wandb=self.recipe.training.wandb,
            config=self.recipe.model_dump(mode="json"),
            quiet=not self.processes.is_rank_zero,
        )
        self._log_start()
        done = min(total, trainer.epoch * batches + trainer.state.batch)
        try:
            with progress("training", total * photos, done=done * photos) as bar:
                bar.say(
                    f"training on {len(self.training):,} photos of "
                    f"{len(self.training.identities):,} identities; log: {self.folder / TEXT}"
                )
                for line in filter(None, (*self.why.splitlines(), self._new_length)):
                    bar.say(line)
                    log.info("%s", line)
                pace = pace_of(
                    self.recipe, self.selection, batches, photos, total - done, bar.say, self._left
                )  # fmt: skip

                def show() -> None:
                    sums = trainer.state.sums
                    bar.show(progress_line(trainer.epoch, self.epochs, sums, self._last_report))

                def advance(photos: int) -> None:
                    show()
                    bar(photos)
                    pace.step()

                if not self.selection.before_training(stop, bar.say, run_log.report, saving.save):
                    saving.save()
                    return False
                if self._deadline is not None:
                    self._deadline.begin(done)
                while saving.unvalidated is not None or self._more_to_train():
                    if saving.unvalidated is None:
                        saving.unvalidated = trainer.run_epoch(
                            self.batches, self.sampler, advance, stop, saving.due, saving.save,
                            self._names,
                        )  # fmt: skip
                    report = saving.unvalidated
                    if report is None or not self.selection.after_epoch(report, stop):
                        saving.save()
                        return False
                    saving.unvalidated = None
                    self._last_report |= report
                    show()
                    run_log.report(trainer.step_number, {"epoch": trainer.epoch, **report})
                    log.info("%s", epoch_line(trainer.epoch, self.epochs, report))
                    enough = self.processes.any(stop.signal is not None or trainer.profile.enough)
                    late = self._shorten_if_late()
                    # Saving costs as much as some steps: an epoch of a few steps goes without.
                    if late or enough or self.selection.due or self.processes.any(saving.due()):
                        saving.save()
                    if late:
                        saving.checkpoints.wait()  # killed between both, the run is the longer one
                        self._write_length()
                        bar.say(late)
                        bar.expect(self.steps * photos)
                        pace.steps = self.steps - done
                    if enough and trainer.epoch < self.epochs:
                        return False
                self.selection.comparison.at_end(trainer.best.saved)
        finally:
            self.batches.end()
            trainer.profile.finish()  # also of a run with fewer steps than the profile wants
            run_log.close()
        return True

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return total_steps(self.recipe.schedule, len(self.sampler))

    @property
    def epochs(self) -> int:
        """The epochs of the whole run, of which the last one may be short."""
        return total_epochs(self.recipe.schedule, len(self.sampler))

    def _shorten_if_late(self) -> str:
        """Plan fewer steps if the run is late for its budget; one line that says so, or ""."""
        if self._deadline is None:
            return ""
        before, done = self.steps, self.trainer.epoch * len(self.sampler)
        steps = int(self.processes.broadcast([self._deadline.steps(done, before)])[0])
        if steps == before:
            return ""
        self.recipe = self.trainer.recipe = self.selection.recipe = with_steps(self.recipe, steps)
        self.batches.steps = steps
        if self.trainer.watch is not None:
            self.trainer.watch.warmup_epochs = warmup_epochs(self.recipe, len(self.sampler))
        line = f"slower than planned: {steps:,} steps instead of {before:,}, to keep to the budget"
        log.info("%s", line)
        return line

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
        return trainer.epoch < self.epochs and (not patience or trainer.best.waited < patience)

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
            validation_interval=best.interval if self.selection.measure == "AUC" else None,
            baselines=tuple(self.selection.comparison.found),
            start=self.selection.start.measured if self.selection.start is not None else None,
            measure=self.selection.measure,
        )
