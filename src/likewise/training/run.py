"""A run from end to end: a manifest and a recipe become a folder with a trained embedder."""

from __future__ import annotations

import json
import logging
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from likewise.data.manifest import Manifest, read_manifest
from likewise.errors import InputError
from likewise.progress import progress
from likewise.storage import output_folder, require_writable, write_text
from likewise.training.checkpoints.reader import Checkpoint
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.measuring import Measuring
from likewise.training.monitoring.log import TEXT, RunLog
from likewise.training.monitoring.out_of_memory import explained_out_of_memory
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.throughput import epoch_line, progress_line
from likewise.training.monitoring.watch import Watch
from likewise.training.recipe.recipe import Recipe, load_recipe
from likewise.training.setup.build import origins, seed_everything
from likewise.training.setup.lengthening import check_length, new_length, with_epochs
from likewise.training.setup.photo_record import PHOTOS, keep_records
from likewise.training.setup.prepare import end_loading, loader_of, prepare
from likewise.training.setup.result import TrainingResult
from likewise.training.setup.run_folder import (
    CHECKPOINTS,
    RECIPE,
    agree_on_the_run,
    begun_of,
    recipe_of,
)
from likewise.training.setup.run_lock import run_lock
from likewise.training.step.guards import Stopped
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import StopRequest

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)
TRACE = "trace{}.json"
UNMEASURED = "unmeasured"  # of a checkpoint that was made amid a validation


def train(
    data: Manifest | str | Path,
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    keep: int | None = None,
    profile: int = 0,
    epochs: int | None = None,
) -> TrainingResult:
    """Train an embedder on labelled photos.

    Identities are split into training and validation (or as the manifest's column ``split``
    says); after each epoch the network is measured on people it has never seen, and the best one
    is kept in ``out/model``. Ctrl-C or SIGTERM stops after the step at hand, or amid measuring,
    which is then done anew; ``resume`` continues as if nothing had happened. Under ``torchrun``
    all processes call this alike, and train together.

    Args:
        data: a manifest, a folder of identities, or a table.
        out: the run's folder: recipe, log, TensorBoard curves, checkpoints and model.
        recipe: everything about the run; with ``resume``, that of the run itself.
        resume: continue the run in ``out``, with any number of processes.
        keep: how many checkpoints to keep; None: as the recipe says.
        profile: measure so many steps, after three to warm up, write ``out/trace.json``, and stop
            as Ctrl-C would: ``resume`` goes on. 0 measures nothing.
        epochs: how many to train; None: as the recipe says. With ``resume``, a run that is finished
            or not goes on to so many, from here on with the learning rates of that length, and
            its recipe says so.

    Raises:
        InputError: the data, the recipe or the folder cannot be used; says which and why.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
        LikewiseError: steps are no longer finite (the last good one is kept), the disk is full,
            memory is not enough, or another process of the run is gone.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> from likewise.training.run import train
        >>> short = recipe_with(Recipe(), ["schedule.epochs=1", "input.height=32",
        ...     "input.width=32", "model.embedding_dim=32", "data.val_identities=0"])
        >>> train(photos, out, short).finished
        True
    """
    folder = Path(out)
    manifest = data if isinstance(data, Manifest) else read_manifest(data)
    chosen = recipe_of(folder, recipe, resume=resume, keep=keep, epochs=epochs)
    with Processes(chosen.training.peer_timeout_s) as processes, explained_out_of_memory():
        processes.together(lambda: require_writable(folder))
        run = _Run(manifest, folder, chosen, resume, processes)
        trace = folder / TRACE.format("" if processes.is_rank_zero else f"-{processes.rank}")
        run.trainer.profile = StepProfile(profile, run.trainer.device, trace)
        return run.complete()


class _Run:
    """The parts of a run, put together."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        recipe: Recipe,
        resume: bool,
        processes: Processes,
    ) -> None:
        self.folder, self.recipe, self.processes = folder, recipe, processes
        self.fingerprint, self.resume = manifest.fingerprint, resume
        agree_on_the_run(processes, recipe, self.fingerprint)
        device = processes.together(lambda: processes.device(recipe.training.device))
        self.begun = processes.together(
            lambda: begun_of(folder, tell=processes.is_rank_zero) if resume else None
        )
        parts = prepare(manifest, recipe, folder, device, processes, self.begun)
        self.trainer, made, photos = parts.trainer, parts.made, parts.photos
        self.training, self.bad, self.sampler = made.training, photos.bad, made.sampler
        self.batch_photos, self.records = made.batch_photos, photos.records
        self.measuring = Measuring(
            self.trainer,
            made.training,
            photos.validation(recipe.training.seed),
            NormStatistics(parts.dataset(recipe), recipe.training.seed),
            self.fingerprint,
            folder,
            processes,
        )
        self.unmeasured: dict[str, float] | None = None  # the report of an epoch that waits for it
        self._last: dict[str, float] = {}  # what was reported last
        self.news = ""  # what is not as the run was begun
        self._watch()
        if processes.count > 1:  # weights were drawn alike; dropout is not
            seed_everything(recipe.training.seed * 65_537 + processes.rank)
        self.loader = loader_of(parts, recipe, device, processes)
        self.checkpoints = Checkpoints(
            folder / CHECKPOINTS, processes, recipe.training.keep_checkpoints
        )
        self._photos_sha256 = ""
        self._saved_at = time.monotonic()

    def _watch(self) -> None:
        trainer, recipe, table = self.trainer, self.recipe, self.training.table
        trainer.names = lambda rows: table["path"].take(list(rows)).to_pylist()
        if recipe.guards.watch:
            trainer.watch = Watch(
                self.training.identities,
                recipe.guards.epochs,
                max(recipe.schedule.warmup_epochs, recipe.schedule.margin_warmup_epochs),
                trainer.processes,
                trainer.device,
            )

    def complete(self) -> TrainingResult:
        """Train to the end, or until a stop is asked for."""
        # To the end of saving: a second SIGTERM must not spoil what the first one asked for.
        with StopRequest() as stop, ExitStack() as stack:
            self.processes.together(lambda: self._lock(stack))
            stack.callback(self.checkpoints.abandon)
            stack.callback(self.trainer.gradients.release)
            self._begin()
            try:
                finished = self._train(stop)
            except Stopped:  # on all processes: what they began to save is to be kept
                self.checkpoints.wait()
                raise
            self.checkpoints.wait()
            signals = self.processes.all_gather_object(int(stop.signal or 0))
        return self._result(finished=finished, stopped_by=max(signals) or None)

    def _lock(self, stack: ExitStack) -> None:
        if self.processes.is_rank_zero:
            stack.enter_context(run_lock(output_folder(self.folder)))

    def _begin(self) -> None:
        """Write the recipe, or go on from the newest checkpoint."""
        with self.processes.rank_zero_only() as mine:
            if mine:
                self.checkpoints.clean()
                if not self.resume:
                    write_text(self.folder / RECIPE, self.recipe.to_yaml())
                self._photos_sha256 = keep_records(self.folder / PHOTOS, self.records)
        if not self.resume:
            return
        checkpoint = self.checkpoints.newest()
        if checkpoint is None and self.processes.is_rank_zero:
            log.warning("%s: no checkpoint yet; the run begins at its start", self.folder)
        if checkpoint is not None:
            self._restore(checkpoint)
        self._lengthen()

    def _restore(self, checkpoint: Checkpoint) -> None:
        compared = self.begun is not None and self.begun.records is not None
        if not compared and checkpoint.values.get("data") != self.fingerprint:
            raise InputError(f"{self.folder}: the photos are not those that the run began with")
        self.processes.together(lambda: self.trainer.restore(checkpoint))
        if (told := checkpoint.values.get(UNMEASURED)) is not None:
            self.unmeasured, self.trainer.guard.in_a_row = json.loads(told)

    def _lengthen(self) -> None:
        """Let the run's own recipe say how long it is now, if that is new."""
        own = self.processes.together(lambda: load_recipe(self.folder / RECIPE))
        trainer, now = self.trainer, self.recipe.schedule
        if own.schedule.epochs == now.epochs:
            return
        self.processes.together(lambda: check_length(self.recipe, trainer.epoch, trainer.best))
        with self.processes.rank_zero_only() as mine:
            if mine:
                write_text(self.folder / RECIPE, with_epochs(own, now.epochs).to_yaml())
        peak, step = self.recipe.optimizer.lr, trainer.step_number
        self.news = new_length(own.schedule, now, peak, step, len(self.sampler))

    def _train(self, stop: StopRequest) -> bool:
        """Whether it came to the end."""
        trainer, epochs = self.trainer, self.recipe.schedule.epochs
        run_log = RunLog(
            self.folder,
            # What an attempt before this one said of an epoch to be measured comes again as well.
            trainer.step_number - (self.unmeasured is not None),
            wandb=self.recipe.training.wandb,
            config=self.recipe.model_dump(mode="json"),
            quiet=not self.processes.is_rank_zero,
        )
        total = epochs * len(self.sampler) * self.batch_photos
        log.info("%d photos of %d people", len(self.training), len(self.training.identities))
        for line in origins(self.recipe, trainer.loss):
            log.info("%s", line)
        if self.news:  # told at the terminal too
            log.warning("%s", self.news)
        for bad in self.bad:
            log.info("left out: %s", bad)
        try:
            steps = trainer.epoch * len(self.sampler) + trainer.batch
            done = round(steps * total / (epochs * len(self.sampler)))
            with progress("training", total, done=done) as bar:
                people = len(self.training.identities)
                bar.say(
                    f"training on {len(self.training):,} photos of {people:,} people; "
                    f"log: {self.folder / TEXT}"
                )

                def show() -> None:
                    bar.show(progress_line(trainer.epoch, epochs, trainer.total, self._last))

                def advance(photos: int) -> None:
                    show()
                    bar(photos)

                while self.unmeasured is not None or self._more_to_train():
                    if self.unmeasured is None:
                        self.unmeasured = trainer.run_epoch(
                            self.loader, self.sampler, advance, stop, self._due, self._checkpoint
                        )
                    report = self.unmeasured
                    if report is None or not self.measuring.after_epoch(report, stop):
                        self._checkpoint()
                        return False
                    self.unmeasured = None
                    self._last |= report
                    show()
                    run_log.report(trainer.step_number, {"epoch": trainer.epoch, **report})
                    self._checkpoint()
                    log.info("%s", epoch_line(trainer.epoch, epochs, report))
                    enough = stop.signal is not None or trainer.profile.enough
                    if self.processes.any(enough) and trainer.epoch < epochs:
                        return False
        finally:
            end_loading(self.loader)
            trainer.profile.finish()  # a run that is shorter than what it should measure
            run_log.close()
        return True

    def _checkpoint(self) -> None:
        values: dict[str, Any] = {
            "data": self.fingerprint,
            "photos": self._photos_sha256,
            "preprocess": self.trainer.preprocess.to_dict(),
        }
        if self.unmeasured is not None:
            values[UNMEASURED] = json.dumps([self.unmeasured, self.trainer.guard.in_a_row])
        self.trainer.save(self.checkpoints, values)
        self._saved_at = time.monotonic()

    def _due(self) -> bool:
        """Whether it is time for a checkpoint; also where the last one failed, which it tells."""
        if self.checkpoints.failed:
            return True
        waited = time.monotonic() - self._saved_at
        return self.processes.is_rank_zero and waited > 60 * self.recipe.training.checkpoint_minutes

    def _more_to_train(self) -> bool:
        patience, trainer = self.recipe.training.patience, self.trainer
        return trainer.epoch < self.recipe.schedule.epochs and (
            not patience or trainer.best.waited < patience
        )

    def _result(self, *, finished: bool, stopped_by: int | None) -> TrainingResult:
        best, held_out = self.trainer.best, self.measuring.validation
        return TrainingResult(
            folder=self.folder,
            epochs=self.trainer.epoch,
            finished=finished,
            validation=best.value if best.epoch >= 0 else None,
            bad_images=[*self.bad, *self.trainer.bad.values()],
            identities=len(self.training.identities),
            images=len(self.training),
            stopped_by=None if finished else stopped_by,
            profile=self.trainer.profile.result,
            validation_people=held_out.people if held_out is not None else 0,
        )
