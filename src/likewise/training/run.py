"""A run from end to end: a manifest and a recipe become a folder with a trained embedder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from likewise.data.augmentation.own_transform import OwnTransform
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.storage import require_writable
from likewise.training.callbacks import Callback, check_callbacks
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.out_of_memory import explained_out_of_memory
from likewise.training.recipe.recipe import Recipe
from likewise.training.result import TrainingResult
from likewise.training.run_loop import Run
from likewise.training.setup.begin import begin
from likewise.training.setup.network_choice import NetworkChoice, named_network, require_network
from likewise.training.setup.transform_choice import with_transform

__all__ = ["TrainingResult", "train"]


def train(
    data: Manifest | str | Path | Any,
    out: str | Path,
    recipe: Recipe | str | Path | None = None,
    *,
    settings: Sequence[str] = (),
    resume: bool = False,
    keep: int | None = None,
    profile: int = 0,
    epochs: int | None = None,
    steps: int | None = None,
    budget_minutes: float | None = None,
    began: float | None = None,
    start: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    transform: Callable[..., Any] | None = None,
    model: NetworkChoice | None = None,
) -> TrainingResult:
    """Train an embedder on labeled photos.

    Identities are split into training and validation, by the manifest's column ``split`` if it has
    one. After an epoch the network is validated on identities that it is not trained on, and the
    one to keep is saved in ``out/model``. Ctrl-C or SIGTERM stops after the current step, or during
    the validation, which is then repeated; ``resume`` continues as if nothing had happened. Under
    ``torchrun`` all processes call this function with the same arguments and train together.

    Args:
        data: a manifest, a folder of identities, or a table; or a torch ``Dataset`` of
            (image, label) or a Hugging Face dataset, or a dictionary of them by split.
        out: the run's folder: recipe, log, TensorBoard curves, checkpoints and model.
        recipe: the settings of the run, or the name or file of a recipe; a resumed run has its own.
            None: chosen by the photos and the machine.
        settings: changes of the recipe, like ``optimizer.lr=0.002``.
        resume: continue the run in ``out``, with any number of processes.
        keep: the number of checkpoints to keep; None: as in the recipe.
        profile: the number of steps to profile, after three for warm-up; then ``out/trace.json`` is
            written and the run stops as by Ctrl-C: ``resume`` continues it. 0: no profile.
        epochs: the number of epochs to train; None: as in the recipe. With ``resume``, the run,
            finished or not, continues to this number, from now on with the learning rates of the
            new schedule, and its recipe is updated.
        steps: the number of steps instead; the last epoch may be short.
        budget_minutes: the time of the whole run instead, validations and saving included; with
            ``resume``, from now on. A few steps are timed first, with a network that is thrown
            away, and the number of steps that fits is written into the run's recipe.
        began: the ``time.monotonic()`` from which the budget counts; None: this call.
        start: a ready model to train further, such as ``sface``; without a recipe by that of
            ``tune``. It is saved first, and an epoch replaces it only if it is clearly better.
        callbacks: called before and after each step, validation and epoch, on every process; one
            that raises an error stops the run, which can be resumed, and the error is raised.
        transform: applied to each training photo at its full size, instead of the augmentation of
            the recipe: a transform of torchvision or albumentations, or any function of uint8
            pixels [H,W,C]; what it gives is cropped and resized to the network's input. Give it
            again to resume.
        model: the network, instead of ``model.name`` of the recipe: a name, such as ``resnet50`` of
            timm; a class or function that makes it; or any ``nn.Module``, float32 [B,C,H,W] →
            [B,D], of which a copy is trained, from the weights that it has. What cannot be imported
            by its name has to be given again to resume.

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
    began = time.monotonic() if began is None else began
    folder, called = Path(out), check_callbacks(callbacks)
    if model is not None and start is not None:
        raise InputError("model: start brings its own network; leave one of them out")
    with ExitStack() as stack:
        named, name = stack.enter_context(named_network(model, settings, resume=resume))
        manifest, chosen, why = begin(
            data, folder, recipe, named, resume=resume, keep=keep, start=start,
            epochs=epochs, steps=steps, budget_minutes=budget_minutes,
        )  # fmt: skip
        require_network(chosen, name, folder)
        own = None if transform is None else OwnTransform(transform)
        chosen = with_transform(chosen, own, resume=resume)
        processes = stack.enter_context(Processes(chosen.training.peer_timeout_s))
        stack.enter_context(explained_out_of_memory())
        processes.together(lambda: require_writable(folder))
        run = Run(manifest, folder, chosen, resume, processes, profile, began, why, called, own)
        return run.complete()
