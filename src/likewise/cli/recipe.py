"""``likewise recipe``: print a recipe with its explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json

__all__ = ["recipe"]

DEFAULT = "compact"


def recipe(
    data: Annotated[
        Path | None,
        typer.Option("--for", help="Labeled photos: print the recipe that train uses for them."),
    ] = None,
    base: options.RecipeChoice = None,
    settings: options.Settings = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the named recipes, each with its notes.")
    ] = False,
    out: options.OutOrNone = None,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Print a recipe as YAML, with every key explained in a comment.

    With --for, print the recipe that `likewise train` uses for these photos, with the values that
    depend on them and on the machine. Without it, print a named recipe as its file has it, compact
    by default. --set changes single keys. The YAML is printed, or written into the file --out.

    Example: likewise recipe --for photos/ --set schedule.steps=3000 --out recipe.yaml
    """
    from likewise.data.formats import read_manifest
    from likewise.errors import InputError
    from likewise.storage import write_text
    from likewise.training.recipe.commented import commented
    from likewise.training.recipe.named import find_recipe, list_recipes, recipe_notes
    from likewise.training.recipe.recipe import recipe_with
    from likewise.training.recipe.unused_keys import refuse_unused_keys
    from likewise.training.setup.choose import begin_recipe, recipe_for

    if list_all:
        notes = {name: recipe_notes(name) for name in list_recipes()}
        if as_json:
            print_json(notes)
            return
        for name, text in notes.items():
            typer.echo(f"{name}\n" + "".join(f"  {line}\n" for line in text.splitlines()))
        return
    if root is not None and data is None:
        raise InputError("--root: needs --for")
    if data is None:
        chosen, why = recipe_with(find_recipe(base or DEFAULT), settings or []), ""
    else:
        manifest = read_manifest(data, root)
        chosen, why = begin_recipe(manifest, base, settings or [])
        refuse_unused_keys(chosen)  # as train does
        chosen = recipe_for(manifest, chosen)
    text = commented(chosen)
    if why:
        note(why)
    if out is not None:
        write_text(out, text)
        note(f"recipe: {out}")
    if as_json:
        print_json(chosen.model_dump(mode="json"))
    elif out is None:
        typer.echo(text, nl=False)
