"""``likewise train``: labelled photos become an embedder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Root,
    note,
    print_bad,
    print_json,
    print_profile,
)

if TYPE_CHECKING:
    from likewise.training.setup.run_folder import TrainingResult

__all__ = ["train"]


def train(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="A folder of identities, a CSV or a Parquet.")],
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")] = Path("runs/train"),
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A recipe in YAML.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One key, like loss.margin=0.4.")
    ] = None,
    val_identities: Annotated[
        str | None, typer.Option("--val-identities", help="Held out: a number, or like 10%.")
    ] = None,
    on_bad_image: Annotated[
        BadImagePolicy | None,
        typer.Option("--on-bad-image", help="Leave broken photos out, or stop."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Passes over the photos.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Train in so many processes (or: torchrun).")
    ] = 1,
    port: Annotated[
        int | None, typer.Option("--port", help="Where they meet; a free one if not named.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Checkpoints to keep; 2 if not named.")
    ] = None,
    profile: Annotated[
        int, typer.Option("--profile", min=0, help="Measure so many steps, tell where time goes.")
    ] = 0,
    zero_if_stopped: Annotated[
        bool,
        typer.Option(
            "--zero-if-stopped", help="Exit code 0 after Ctrl-C or SIGTERM, not 130 or 143."
        ),
    ] = False,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Train an embedder on labelled photos, and measure it on people held out.

    Writes the recipe, logs, TensorBoard curves, checkpoints, and the best model into --out.
    Ctrl-C and SIGTERM stop after the step at hand, or amid validation, which is then done anew;
    the exit code is 130 or 143. --resume continues exactly, with any number of processes. With
    --resume, --epochs is a new length: the run goes on to it, finished or not, with the learning
    rates of that length from there on.

    Example: likewise train photos/ --out runs/photos --epochs 30 --set loss.margin=0.4
    """
    from likewise.training.distributed.launch import launch
    from likewise.training.distributed.worker import is_worker, report_once

    if profile:  # the profiler's own notes, of GPUs that are not there; torch reads it when loaded
        os.environ.setdefault("KINETO_LOG_LEVEL", "6")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with _zero(wanted=zero_if_stopped):
        if processes > 1 and not is_worker():
            not_theirs = {"processes", "port", "zero_if_stopped"}
            launch(_given(context, leave_out=not_theirs), processes, port)
            return
        with report_once():
            _train(data, out, recipe, settings, val_identities, on_bad_image, epochs, resume, keep,
                   profile, root, as_json)  # fmt: skip


@contextmanager
def _zero(*, wanted: bool) -> Iterator[None]:
    """Let a run that a signal stopped end as if it had succeeded, where that is wanted."""
    from likewise.training.stopping import StoppedBySignal

    try:
        yield
    except StoppedBySignal:
        if not wanted:
            raise


def _given(context: typer.Context, leave_out: set[str]) -> list[str]:
    """The command line once more, but for some options."""
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
    recipe: Path | None,
    settings: list[str] | None,
    val_identities: str | None,
    on_bad_image: BadImagePolicy | None,
    epochs: int | None,
    resume: bool,
    keep: int | None,
    profile: int,
    root: Path | None,
    as_json: bool,
) -> None:
    from likewise.data.formats import read_manifest
    from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
    from likewise.training.run import train as run
    from likewise.training.stopping import StoppedBySignal

    wanted = list(settings or [])
    for key, value in (
        ("data.val_identities", val_identities),
        ("data.on_bad_image", on_bad_image),
        ("schedule.epochs", None if resume else epochs),
    ):
        if value is not None:
            wanted.append(f"{key}={value}")
    chosen = None
    if not resume or recipe or wanted:
        chosen = recipe_with(load_recipe(recipe) if recipe else Recipe(), wanted)
    result = run(
        read_manifest(data, root), out, chosen, resume=resume, keep=keep, profile=profile,
        epochs=epochs if resume else None,
    )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":  # the first process tells
        again = ["likewise", "train", str(data), "--out", str(out), "--resume"]
        again += [] if root is None else ["--root", str(root)]
        _tell(result, shlex.join(again), profile=profile, as_json=as_json)
    if result.stopped_by is not None:
        raise StoppedBySignal(result.stopped_by)


def _tell(result: TrainingResult, again: str, *, profile: int, as_json: bool) -> None:
    if not as_json:
        print_bad(result.bad_images)
        if result.profile is not None:
            print_profile(result.profile)
        elif profile:
            note("the run was too short to measure: three steps warm up, then --profile counts")
    if as_json:
        print_json(
            {
                "folder": str(result.folder),
                "model": str(result.model) if result.model.exists() else None,
                "finished": result.finished,
                "epochs": result.epochs,
                "identities": result.identities,
                "images": result.images,
                "validation_auc": result.validation,
                "validation_people": result.validation_people,
                "bad_images": [{"path": b.name, "reason": b.reason} for b in result.bad_images],
                "profile": result.profile.to_dict() if result.profile is not None else None,
            }
        )
    elif not result.finished:
        note(f"stopped after {result.epochs} whole epochs; continue with:")
        note(f"  {again}")
    else:
        typer.echo(f"trained on {result.images:,} photos of {result.identities:,} people")
        if result.validation is not None:
            people = f"{result.validation_people:,} unseen people"
            typer.echo(f"validation AUC on {people}: {result.validation:.4f}")
        typer.echo(f"model: {result.model}")
        typer.echo(f"next:  likewise evaluate TEST_PHOTOS --model {result.model} --out report")
