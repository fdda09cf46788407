"""``likewise train``: labelled photos become an embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

__all__ = ["train"]


def train(
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
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the photos.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    profile: Annotated[
        int, typer.Option("--profile", min=0, help="Measure so many steps, tell where time goes.")
    ] = 0,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Train an embedder on labelled photos, and measure it on people held out.

    Writes the recipe, logs, TensorBoard curves, a checkpoint, and the best model into --out.
    Ctrl-C stops after the step at hand; --resume continues exactly.

    Example: likewise train photos/ --out runs/photos --epochs 30 --set loss.margin=0.4
    """
    from likewise.data.manifest import read_manifest
    from likewise.training.recipe import Recipe, load_recipe, recipe_with
    from likewise.training.run import train as run

    wanted = list(settings or [])
    for key, value in (
        ("data.val_identities", val_identities),
        ("data.on_bad_image", on_bad_image),
        ("schedule.epochs", epochs),
    ):
        if value is not None:
            wanted.append(f"{key}={value}")
    chosen = None
    if not resume or recipe or wanted:
        chosen = recipe_with(load_recipe(recipe) if recipe else Recipe(), wanted)
    result = run(read_manifest(data, root), out, chosen, resume=resume, profile=profile)
    if not as_json:
        print_bad(result.bad_images)
        if result.profile is not None:
            print_profile(result.profile)
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
                "bad_images": [{"path": b.name, "reason": b.reason} for b in result.bad_images],
                "profile": result.profile.to_dict() if result.profile is not None else None,
            }
        )
    elif not result.finished:
        note(f"stopped after {result.epochs} whole epochs; continue with:")
        note(f"  likewise train {data} --out {out} --resume")
    else:
        typer.echo(f"trained on {result.images:,} photos of {result.identities:,} people")
        if result.validation is not None:
            typer.echo(f"best validation AUC on unseen people: {result.validation:.4f}")
        typer.echo(f"model: {result.model}")
        typer.echo(f"next:  likewise evaluate TEST_PHOTOS --model {result.model} --out report")
