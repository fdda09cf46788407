"""``likewise train``: train a model on labeled photos."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.train_result import print_result
from likewise.cli.units import parse_seconds

if TYPE_CHECKING:
    from likewise.data.manifest import Manifest
    from likewise.training.recipe.recipe import Recipe

__all__ = ["train"]

STARTED = time.monotonic()  # a budget counts from the start of the command
LAUNCHED = "LIKEWISE_LAUNCHED"  # when that was, for the processes that it starts: time.time()


def train(
    context: typer.Context,
    data: options.Photos,
    out: options.Out = Path("runs/train"),
    recipe: options.RecipeChoice = None,
    settings: options.Settings = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Start from a trained model: sface, a model's folder or a hub id.",
        ),
    ] = None,
    val_identities: options.ValIdentities = None,
    on_bad_image: options.OnBadImageOrNone = None,
    epochs: options.Epochs = None,
    steps: options.StepsOrNone = None,
    budget: options.Budget = None,
    resume: options.Resume = False,
    processes: options.Processes = 1,
    port: Annotated[
        int | None,
        typer.Option("--port", help="Rendezvous port of --processes; a free one by default."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Checkpoints to keep; 2 by default.")
    ] = None,
    profile: Annotated[
        int, typer.Option("--profile", min=0, help="Profile this many steps, and print the times.")
    ] = 0,
    zero_if_stopped: Annotated[
        bool,
        typer.Option(
            "--zero-if-stopped", help="Exit code 0 after Ctrl-C or SIGTERM, not 130 or 143."
        ),
    ] = False,
    root: options.Root = None,
    format: options.Format = None,
    detect: options.Detect = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a model on labeled photos, and validate it on held-out identities.

    Without --recipe the photos and the machine decide on the recipe: network, input size, steps.
    One line says what was chosen and why; `likewise recipe --for photos/` shows all of it. --budget
    is the time of the whole command; few photos take less.

    --out receives the recipe, logs, TensorBoard curves, checkpoints and the model of the last epoch
    that is not clearly worse than the best.
    Ctrl-C and SIGTERM stop the run after the current step, or during validation, which is then
    repeated; the exit code is 130 or 143. --resume continues exactly, with any number of processes.
    With --resume, --epochs or --steps is the new length of the run, finished or not, and --budget
    the time from now on; the learning rates are then those of the new length.

    --from sface starts from a ready model, by the recipe tune unless --recipe is given. Unless
    training makes it clearly better, it is kept as it is, calibrated on the held-out identities.
    With --recipe distill, a folder of photos without identities is enough.

    With --detect the faces are found and aligned once, into the cache, and the model records it.
    Several processes are started by --processes or by torchrun.

    Example: likewise train photos/ --out runs/photos --budget 10min
    """
    from likewise.training.distributed.launch import launch
    from likewise.training.distributed.worker import is_worker, report_once
    from likewise.training.stopping import StoppedBySignal

    minutes = _budget_minutes(budget, epochs, steps)
    if profile:  # no notes of the profiler on missing GPUs; torch reads these when it is loaded
        os.environ.setdefault("KINETO_LOG_LEVEL", "6")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with suppress(StoppedBySignal) if zero_if_stopped else nullcontext():
        if processes > 1 and not is_worker():
            if detect:  # once, before each process reads the crops from the cache
                chosen = _recipe(out, recipe, settings, start, resume=resume)
                _photos(data, root, format, chosen, True, on_bad_image, processes)
            own_options = {"processes", "port", "zero_if_stopped"}
            os.environ[LAUNCHED] = str(time.time() - (time.monotonic() - STARTED))
            launch(_command_line(context, leave_out=own_options), processes, port)
            return
        with report_once():
            length = {"epochs": epochs, "steps": steps, "budget_minutes": minutes}
            _train(data, out, recipe, settings, start, val_identities, on_bad_image, length, resume,
                   keep, profile, root, format, detect, as_json)  # fmt: skip


def _began() -> float:
    """The start of the command on the clock of ``time.monotonic``."""
    launched = os.environ.get(LAUNCHED)
    if launched is None:
        return STARTED
    return time.monotonic() - max(0.0, time.time() - float(launched))


def _budget_minutes(budget: str | None, epochs: int | None, steps: int | None) -> float | None:
    """The budget in minutes, if the length of the run is given once."""
    from likewise.errors import InputError

    lengths = {"--epochs": epochs, "--steps": steps, "--budget": budget}
    given = [name for name, value in lengths.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give one of them")
    seconds = parse_seconds("--budget", budget, "")
    return None if seconds is None else seconds / 60


def _command_line(context: typer.Context, leave_out: set[str]) -> list[str]:
    """Rebuild the command line, without the options ``leave_out``, for the processes to start."""
    words = [str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in leave_out or source is None or source.name.startswith("DEFAULT"):
            continue
        value = context.params[name]
        values = value if isinstance(value, list | tuple) else [value]
        for one in values:
            if parameter.param_type_name == "argument":
                words.append(str(one))
            elif isinstance(one, bool):
                words += [parameter.opts[0]] if one else parameter.secondary_opts[:1]
            else:
                words += [parameter.opts[0], str(getattr(one, "value", one))]
    return words


def _train(
    data: Path,
    out: Path,
    recipe: str | None,
    settings: list[str] | None,
    start: str | None,
    val_identities: str | None,
    on_bad_image: options.BadImagePolicy | None,
    length: dict[str, Any],
    resume: bool,
    keep: int | None,
    profile: int,
    root: Path | None,
    format: str | None,
    detect: bool | None,
    as_json: bool,
) -> None:
    """Train in this process, and print the result on rank 0."""
    from likewise.training.run import train as run
    from likewise.training.setup.unlabelled import read_training_photos
    from likewise.training.stopping import StoppedBySignal

    wanted = list(settings or [])
    for key, value in (
        ("data.val_identities", val_identities),
        ("data.on_bad_image", on_bad_image),
    ):
        if value is not None:
            wanted.append(f"{key}={value}")
    given = _recipe(out, recipe, wanted, start, resume=resume)
    if resume and given is None:
        photos = read_training_photos(data, root, format=format)
    else:
        photos = _photos(data, root, format, given, detect, on_bad_image)
    result = run(
        photos, out, recipe, settings=wanted, resume=resume, keep=keep, profile=profile,
        began=_began(), start=start, **length,
    )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":
        again = ["likewise", "train", str(data), "--out", str(out), "--resume"]
        again += [] if root is None else ["--root", str(root)]
        again += [] if format is None else ["--format", format]
        again += ["--detect"] if detect else []
        print_result(result, shlex.join(again), profile=profile, as_json=as_json)
    if result.stopped_by is not None:
        raise StoppedBySignal(result.stopped_by)


def _recipe(
    out: Path,
    recipe: str | None,
    settings: list[str] | None,
    start: str | None,
    *,
    resume: bool,
) -> Recipe | None:
    """The recipe by which photos are aligned; None if they decide on it, or nothing to resume."""
    from likewise.training.recipe.named import find_recipe
    from likewise.training.recipe.recipe import load_recipe, recipe_with
    from likewise.training.setup.choose import depends_on_photos
    from likewise.training.setup.run_folder import RECIPE
    from likewise.training.setup.start import started_recipe

    if resume:
        return load_recipe(out / RECIPE) if (out / RECIPE).exists() else None
    if start is None and depends_on_photos(recipe):
        return None
    if start is not None:
        return started_recipe(start, recipe, list(settings or []))[0]
    return recipe_with(find_recipe(str(recipe)), list(settings or []))


def _photos(
    data: Path,
    root: Path | None,
    format: str | None,
    recipe: Recipe | None,
    detect: bool | None,
    on_bad_image: options.BadImagePolicy | None,
    processes: int | None = None,
) -> Manifest:
    """The photos to train on: aligned, or with a notice if they are not."""
    from likewise.cli.detection import align_or_notice
    from likewise.training.distributed.worker import is_worker
    from likewise.training.setup.unlabelled import read_training_photos

    manifest = read_training_photos(data, root, recipe, format=format)
    policy = "skip" if recipe is None else recipe.data.on_bad_image
    found, _ = align_or_notice(
        manifest, detect, None if recipe is None else recipe.input.preprocess(), source=data,
        policy=policy if on_bad_image is None else on_bad_image.value,
        processes=processes, quiet=is_worker(),
    )  # fmt: skip
    return found
