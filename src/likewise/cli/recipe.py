"""``likewise recipe``: print a recipe with its explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json

__all__ = ["recipe"]


def recipe(
    data: Annotated[
        Path | None,
        typer.Option("--for", help="Labeled photos: print the recipe that train uses for them."),
    ] = None,
    base: options.RecipeFile = None,
    settings: options.Settings = None,
    out: options.OutOrNone = None,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the default recipe as YAML, with every key explained in a comment.

    With --for, print the recipe that `likewise train` uses for these photos, with the values that
    depend on them. Keys that --recipe and --set give are kept. The YAML is printed, or written into
    the file --out.

    Example: likewise recipe --for photos/ --set schedule.epochs=30 --out recipe.yaml
    """
    from likewise.data.formats import read_manifest
    from likewise.errors import InputError
    from likewise.storage import write_text
    from likewise.training.recipe.commented import commented
    from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
    from likewise.training.recipe.unused_keys import refuse_unused_keys
    from likewise.training.setup.choose import recipe_for

    if root is not None and data is None:
        raise InputError("--root: needs --for")
    chosen = recipe_with(load_recipe(base) if base else Recipe(), settings or [])
    if data is not None:
        refuse_unused_keys(chosen)  # as train does
        chosen = recipe_for(read_manifest(data, root), chosen)
    text = commented(chosen)
    if out is not None:
        write_text(out, text)
        note(f"recipe: {out}")
    if as_json:
        print_json(chosen.model_dump(mode="json"))
    elif out is None:
        typer.echo(text, nl=False)
