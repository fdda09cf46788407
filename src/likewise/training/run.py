"""A run from end to end: a manifest and a recipe become a folder with a trained embedder."""

from __future__ import annotations

import logging
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
from likewise.machine import pick_device, usable_cores
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone
from likewise.progress import progress
from likewise.storage import output_folder, write_text
from likewise.training.checkpoint import load_checkpoint
from likewise.training.distilling import distilling_of
from likewise.training.log import RunLog
from likewise.training.parts import (
    batches_of,
    loss_of,
    network_of,
    origins,
    preprocess_of,
    seed_everything,
)
from likewise.training.recipe import Recipe, load_recipe
from likewise.training.starting import start_of
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import Validated, Validation, calibrated

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.safetensors"
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
) -> TrainingResult:
    """Train an embedder on labelled photos.

    Identities are split into training and validation (or as the manifest's column ``split``
    says); after each epoch the network is measured on people it has never seen, and the best one
    is kept in ``out/model``. Ctrl-C or SIGTERM stops after the step at hand; ``resume`` continues
    as if nothing had happened.

    Args:
        data: a manifest, a folder of identities, or a table.
        out: the run's folder: recipe, log, TensorBoard curves, checkpoint and model.
        recipe: everything about the run; with ``resume``, that of the run itself.
        resume: continue the run in ``out``.

    Raises:
        InputError: the data, the recipe or the folder cannot be used; says which and why.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
        LikewiseError: the loss is no longer finite, or the disk is full.

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
    output_folder(folder)
    return _Run(manifest, folder, chosen, resume).complete()


def _recipe_of(folder: Path, recipe: Recipe | None, resume: bool) -> Recipe:
    begun = (folder / CHECKPOINT).exists()
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

    def __init__(self, manifest: Manifest, folder: Path, recipe: Recipe, resume: bool) -> None:
        self.folder, self.recipe = folder, recipe
        device = pick_device(recipe.training.device)
        training, held_out = _split(manifest, recipe)
        start = start_of(recipe)
        preprocess = preprocess_of(recipe, start)
        keep = recipe.data.keep_mib * 2**20
        policy = recipe.data.on_bad_image
        training, pixels, bad = keep_readable(
            training, preprocess, on_bad_image=policy, keep_bytes=keep, what="reading"
        )
        held_out, val_pixels, val_bad = keep_readable(
            held_out, preprocess, on_bad_image=policy, keep_bytes=keep, what="reading validation"
        )
        if len(training.identities) < 2:
            raise InputError(
                f"{manifest.root}: {len(training.identities)} identity to train on; a recogniser "
                "learns from the differences between people: at least 2 are needed"
            )
        self.bad = bad + val_bad
        self.training = training
        self.fingerprint = manifest.fingerprint
        self.validation = (
            Validation(held_out, val_pixels, recipe.training.seed) if len(held_out) else None
        )
        seed_everything(recipe.training.seed)
        self.trainer = Trainer(
            recipe,
            network_of(recipe, start),
            loss_of(recipe, len(training.identities)),
            preprocess,
            device,
            distilling_of(recipe, device),
        )
        self.sampler = EpochSampler(batches_of(recipe, training.labels), recipe.training.seed)
        self.loader = self._loader(Photos(
            training, preprocess, recipe.augment.transform(channels=preprocess.channels), pixels
        ), device)  # fmt: skip
        if resume and (folder / CHECKPOINT).exists():
            parts, values = load_checkpoint(folder / CHECKPOINT)
            if values.get("data") != self.fingerprint:
                raise InputError(f"{folder}: the photos are not those that the run began with")
            self.trainer.restore(parts, values)
        else:
            write_text(folder / RECIPE, recipe.to_yaml())

    def _loader(self, photos: Photos, device: torch.device) -> torch.utils.data.DataLoader[Any]:
        workers = self.recipe.data.workers
        if workers is None:
            workers = 0 if usable_cores() < 2 else min(8, usable_cores())
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
        trainer, recipe = self.trainer, self.recipe
        epochs = recipe.schedule.epochs
        run_log = RunLog(self.folder, trainer.step_number)
        total = epochs * len(self.sampler) * len(next(iter(self.sampler)))
        log.info("%d photos of %d people", len(self.training), len(self.training.identities))
        for line in origins(recipe, trainer.distilling):
            log.info("%s", line)
        for bad in self.bad:
            log.info("left out: %s", bad)
        try:
            with StopRequest() as stop, progress("training", total) as advance:
                done = trainer.epoch * len(self.sampler) + trainer.batch
                advance(round(done * total / (epochs * len(self.sampler))))
                while trainer.epoch < epochs and not self._patience_is_over():
                    report = trainer.run_epoch(
                        self.loader, self.sampler, advance, stop, self._checkpoint
                    )
                    if report is None:
                        self._checkpoint()
                        return self._result(finished=False)
                    self._after_epoch(report)
                    run_log.report(trainer.step_number, {"epoch": trainer.epoch, **report})
                    self._checkpoint()
                    if stop.signal is not None and trainer.epoch < epochs:
                        return self._result(finished=False)
        finally:
            run_log.close()
        return self._result(finished=True)

    def _after_epoch(self, report: dict[str, float]) -> None:
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
        self.trainer.save(self.folder / CHECKPOINT, {"data": self.fingerprint})

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
