"""A run from end to end: a manifest and a recipe become a folder with a trained embedder."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest, read_manifest
from likewise.data.photos import Photos, collate, keep_readable
from likewise.data.sampler import EpochSampler
from likewise.data.splits import hold_out
from likewise.errors import InputError
from likewise.machine import usable_cores
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone
from likewise.progress import progress
from likewise.storage import output_folder, write_text
from likewise.training.checkpoints import Checkpoints
from likewise.training.log import RunLog
from likewise.training.out_of_memory import explained_out_of_memory
from likewise.training.parts import batches_of, loss_of, network_of, seed_everything
from likewise.training.processes import Processes
from likewise.training.recipe import Recipe, load_recipe
from likewise.training.run_lock import run_lock
from likewise.training.stopping import Best, StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import Validated, Validation, calibrated

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)
CHECKPOINTS = "checkpoints"
RECIPE = "recipe.yaml"
MODEL = "model"


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Args:
        folder: of the run; ``folder/model`` is the best embedder.
        epochs: how many were trained.
        finished: False if it was interrupted and waits for ``resume``.
        validation: the best validation AUC, or None without held-out identities.
        bad_images: the photos that could not be read.
        identities: people trained on.
        images: photos trained on.
    """

    folder: Path
    epochs: int
    finished: bool
    validation: float | None
    bad_images: list[BadImage]
    identities: int
    images: int

    @property
    def model(self) -> Path:
        """The folder of the embedder."""
        return self.folder / MODEL


def train(
    data: Manifest | str | Path,
    out: str | Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    keep: int | None = None,
) -> TrainingResult:
    """Train an embedder on labelled photos.

    Identities are split into training and validation (or as the manifest's column ``split``
    says); after each epoch the network is measured on people it has never seen, and the best one
    is kept in ``out/model``. Ctrl-C or SIGTERM stops after the step at hand; ``resume`` continues
    as if nothing had happened. Under ``torchrun`` all processes call this alike, and train
    together.

    Args:
        data: a manifest, a folder of identities, or a table.
        out: the run's folder: recipe, log, TensorBoard curves, checkpoints and model.
        recipe: everything about the run; with ``resume``, that of the run itself.
        resume: continue the run in ``out``, with any number of processes.
        keep: how many checkpoints to keep; None: as the recipe says.

    Raises:
        InputError: the data, the recipe or the folder cannot be used; says which and why.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
        LikewiseError: the loss is no longer finite, the disk is full, memory is not enough, or
            another process of the run is gone.

    Example:
        >>> from likewise.training.recipe import Recipe, recipe_with
        >>> from likewise.training.run import train
        >>> short = recipe_with(Recipe(), ["schedule.epochs=1", "input.height=32",
        ...     "input.width=32", "model.embedding_dim=32", "data.val_identities=0"])
        >>> train(photos, out, short).finished
        True
    """
    folder = Path(out)
    manifest = data if isinstance(data, Manifest) else read_manifest(data)
    chosen = _recipe_of(folder, recipe, resume)
    if keep is not None:
        if keep < 1:
            raise InputError(f"keep: {keep}; at least one checkpoint is kept")
        update = {"training": chosen.training.model_copy(update={"keep_checkpoints": keep})}
        chosen = chosen.model_copy(update=update)
    with Processes(chosen.training.peer_timeout_s) as processes, explained_out_of_memory():
        processes.together(lambda: output_folder(folder))
        return _Run(manifest, folder, chosen, resume, processes).complete()


def _recipe_of(folder: Path, recipe: Recipe | None, resume: bool) -> Recipe:
    begun = any((folder / CHECKPOINTS).glob("step-*/*.json"))
    if not resume:
        if begun or (folder / MODEL).exists():
            raise InputError(
                f"{folder}: already holds a run; continue it with --resume, "
                "or choose another place with --out"
            )
        return recipe or Recipe()
    if not (folder / RECIPE).exists():
        raise InputError(f"{folder}: no run to resume (no {RECIPE} in it)")
    own = load_recipe(folder / RECIPE)
    if recipe is not None and recipe != own:
        raise InputError(f"{folder}: resume continues with its own {RECIPE}; leave the recipe out")
    return own


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
        self.fingerprint = manifest.fingerprint
        self._agree_on_the_run()
        self.device = processes.device(recipe.training.device)
        self.validation: Validation | None = None
        self.checkpoints = Checkpoints(
            folder / CHECKPOINTS, processes, recipe.training.keep_checkpoints
        )
        module, loss, photos = processes.together(lambda: self._prepare(manifest))
        self.trainer = Trainer(
            recipe, module, loss, recipe.input.preprocess(), self.device, processes
        )
        if processes.count > 1:  # weights were drawn alike; dropout is not
            seed_everything(recipe.training.seed * 65_537 + processes.rank)
        self.loader = self._loader(photos, self.device)
        self.resumed = resume
        self._saved_at = time.monotonic()

    def _agree_on_the_run(self) -> None:
        """See that all processes were started alike.

        Raises:
            InputError: one has another recipe or other photos.
        """
        recipe = hashlib.sha256(self.recipe.to_yaml().encode()).hexdigest()
        for rank, other in enumerate(self.processes.gather([recipe, self.fingerprint])):
            for own, theirs, what in zip(
                (recipe, self.fingerprint), other, ("recipe", "photos"), strict=True
            ):
                if own != theirs:
                    raise InputError(
                        f"process {rank} was started with other {what} than process "
                        f"{self.processes.rank}; start all with the same command"
                    )

    def _prepare(self, manifest: Manifest) -> tuple[torch.nn.Module, torch.nn.Module, Photos]:
        """What each process makes for itself, without waiting for any other."""
        recipe, preprocess = self.recipe, self.recipe.input.preprocess()
        training, held_out = _split(manifest, recipe)
        # Each process of a machine keeps all photos, as any may be its share of a batch.
        keep = recipe.data.keep_mib * 2**20 // self.processes.local_count
        policy = recipe.data.on_bad_image
        training, pixels, bad = keep_readable(
            training, preprocess, on_bad_image=policy, keep_bytes=keep, what="reading"
        )
        if self.processes.first:  # which alone measures
            held_out, val_pixels, val_bad = keep_readable(
                held_out, preprocess, on_bad_image=policy, keep_bytes=keep,
                what="reading validation",
            )  # fmt: skip
            bad += val_bad
            if len(held_out):
                self.validation = Validation(held_out, val_pixels, recipe.training.seed)
        self.bad, self.training = bad, training
        classes = len(training.identities)
        if classes < 2:
            raise InputError(
                f"{manifest.root}: {classes} identity to train on; a recogniser "
                "learns from the differences between people: at least 2 are needed"
            )
        if classes < self.processes.count:
            raise InputError(
                f"processes: {self.processes.count} for {classes} identities to train on; "
                "each needs one or more of its own"
            )
        self.sampler = EpochSampler(
            batches_of(recipe, training.labels),
            recipe.training.seed,
            rank=self.processes.rank,
            processes=self.processes.count,
        )
        seed_everything(recipe.training.seed)
        module, loss = network_of(recipe), loss_of(recipe, classes)
        augment = recipe.augment.transform(channels=preprocess.channels)
        self.batch_photos = len(next(iter(self.sampler.plan.batches(0))))
        if self.batch_photos < self.processes.count:
            raise InputError(
                f"processes: {self.processes.count} for batches of {self.batch_photos} photos; "
                "each needs one or more: raise batch.size, or start fewer"
            )
        return module, loss, Photos(training, preprocess, augment, pixels)

    def _begin(self) -> None:
        """Write the recipe, or go on from the newest checkpoint."""
        with self.processes.first_alone() as mine:
            if mine:
                self.checkpoints.clean()
                if not self.resumed:
                    write_text(self.folder / RECIPE, self.recipe.to_yaml())
        checkpoint = self.checkpoints.newest() if self.resumed else None
        if checkpoint is None:
            return
        if checkpoint.values.get("data") != self.fingerprint:
            raise InputError(f"{self.folder}: the photos are not those that the run began with")
        self.trainer.restore(checkpoint)

    def _loader(self, photos: Photos, device: torch.device) -> torch.utils.data.DataLoader[Any]:
        workers = self.recipe.data.workers
        if workers is None:
            cores = usable_cores() // self.processes.local_count
            workers = 0 if cores < 2 else min(8, cores)
        return torch.utils.data.DataLoader(
            photos,
            batch_sampler=self.sampler,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            # Its own generator: the loader must not move the one that dropout draws from.
            generator=torch.Generator(),
        )

    def complete(self) -> TrainingResult:
        """Train to the end, or until a stop is asked for."""
        with ExitStack() as stack:
            self.processes.together(lambda: self._lock(stack))
            stack.callback(self.checkpoints.abandon)
            self._begin()
            finished = self._train()
            self.checkpoints.wait()
        return self._result(finished=finished)

    def _lock(self, stack: ExitStack) -> None:
        if self.processes.first:
            stack.enter_context(run_lock(self.folder))

    def _train(self) -> bool:
        """Whether it came to the end."""
        trainer, epochs = self.trainer, self.recipe.schedule.epochs
        run_log = RunLog(self.folder, trainer.step_number) if self.processes.first else None
        total = epochs * len(self.sampler) * self.batch_photos
        log.info("%d photos of %d people", len(self.training), len(self.training.identities))
        for bad in self.bad:
            log.info("left out: %s", bad)
        try:
            with StopRequest() as stop, progress("training", total) as advance:
                done = trainer.epoch * len(self.sampler) + trainer.batch
                advance(round(done * total / (epochs * len(self.sampler))))
                while trainer.epoch < epochs and not self._patience_is_over():
                    report = trainer.run_epoch(
                        self.loader, self.sampler, advance, stop, self._due, self._checkpoint
                    )
                    if report is None:
                        self._checkpoint()
                        return False
                    self._after_epoch(report)
                    if run_log is not None:
                        run_log.report(trainer.step_number, {"epoch": trainer.epoch, **report})
                    self._checkpoint()
                    stopped = self.processes.any(stop.signal is not None)
                    if stopped and trainer.epoch < epochs:
                        return False
        finally:
            if run_log is not None:
                run_log.close()
        return True

    def _after_epoch(self, report: dict[str, float]) -> None:
        """Let the first process measure, and tell all what came out."""
        best = self.trainer.best
        with self.processes.first_alone() as mine:
            if mine:
                self._measure(report)
        value, epoch, waited = self.processes.from_first([best.value, best.epoch, best.waited])
        self.trainer.best = Best(value, int(epoch), int(waited))

    def _measure(self, report: dict[str, float]) -> None:
        """Measure, and keep the network if it is the best so far (or if nothing is held out)."""
        trainer, every = self.trainer, self.recipe.training.validate_every
        last = trainer.epoch == self.recipe.schedule.epochs
        if self.validation is None:
            if last:
                self._keep(None)
            return
        if trainer.epoch % every and not last:
            return
        measured = self.validation.measure(self._embedder(None))
        numbers = measured.verification
        report["val/auc"], report["val/eer"] = numbers.auc, numbers.eer
        best = trainer.best.update(numbers.auc, trainer.epoch)
        log.info("epoch %d: AUC %.4f%s", trainer.epoch, numbers.auc, " (best)" if best else "")
        if best:
            self._keep(measured)

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

    def _checkpoint(self) -> None:
        self.trainer.save(self.checkpoints, {"data": self.fingerprint})
        self._saved_at = time.monotonic()

    def _due(self) -> bool:
        """Whether it is time for a checkpoint; also where the last one failed, which it tells."""
        if self.checkpoints.failed:
            return True
        waited = time.monotonic() - self._saved_at
        return self.processes.first and waited > 60 * self.recipe.training.checkpoint_minutes

    def _patience_is_over(self) -> bool:
        patience = self.recipe.training.patience
        return 0 < patience <= self.trainer.best.waited

    def _result(self, *, finished: bool) -> TrainingResult:
        best = self.trainer.best
        return TrainingResult(
            folder=self.folder,
            epochs=self.trainer.epoch,
            finished=finished,
            validation=best.value if best.epoch >= 0 else None,
            bad_images=[*self.bad, *self.trainer.bad.values()],
            identities=len(self.training.identities),
            images=len(self.training),
        )


def _split(manifest: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """By the manifest's own column ``split`` if it has one, else drawn by the seed."""
    if len(manifest.identities) < 2:
        raise InputError(
            f"{manifest.root}: only one identity ({manifest.identities[0]}); a recogniser learns "
            "from the differences between people: at least 2 are needed"
        )
    if "split" not in manifest.table.column_names:
        return hold_out(manifest, recipe.data.val_identities, recipe.training.seed)
    training, held_out = manifest.split("train"), manifest.split("val")
    if not len(training):
        raise InputError(f"{manifest.root}: no row of the manifest has split = train")
    shared = sorted(set(training.identities) & set(held_out.identities))
    if shared:
        log.warning("%d identities are in train and in val, such as %s", len(shared), shared[0])
    return training, held_out
