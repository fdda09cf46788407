"""``likewise figures``: pictures that explain the losses and the indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, note, print_json, print_table
from likewise.errors import InputError

__all__ = ["figures"]


def figures(
    out: Annotated[Path, typer.Argument(help="The folder to write.", metavar="OUT")],
    losses: Annotated[
        str | None,
        typer.Option("--losses", help="Names with commas between them, or all (the default)."),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option("--search", help="Draw indexes instead: families with commas, or all."),
    ] = None,
    dim: Annotated[
        int, typer.Option("--dim", min=2, max=3, help="Numbers in an embedding: a plane or space.")
    ] = 2,
    gif: Annotated[bool, typer.Option("--gif", help="Also the embeddings over training.")] = False,
    steps: Annotated[
        int, typer.Option("--steps", min=2, help="Training steps for each loss.")
    ] = 600,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws views and weights.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw what each loss does: eight people on a plane, and the boundary between two classes.

    A small network learns eight of the AT&T/ORL faces with each loss, in a few seconds; the same
    seed gives the same pictures. With --search: how each family of indexes is built over vectors
    on a plane, and what one search looks at.

    Example: likewise figures pictures --losses softmax,cosface,arcface
    Example: likewise figures pictures --search ivf_flat,hnsw
    """
    if search is not None:
        if losses is not None:
            raise InputError(
                "--losses and --search: name one of them; each fills a folder of its own"
            )
        _draw_indexes(out, search, seed, as_json)
        return
    _draw_losses(out, losses or "all", dim, gif, steps, seed, as_json)


def _draw_losses(
    out: Path, losses: str, dim: int, gif: bool, steps: int, seed: int, as_json: bool
) -> None:
    from math import degrees

    from likewise.lab.figures.produce import produce
    from likewise.lab.figures.settings import SETTINGS

    names = list(SETTINGS) if losses == "all" else _names(losses)
    made = produce(out, names, dim=dim, gif=gif, seed=seed, steps=steps, say=note)
    if as_json:
        print_json([entry.to_dict() for entry in made])
        return
    print_table(
        "Eight people, views not seen in training",
        ("loss", "angle within", "between", "overlap"),
        [
            (
                entry.loss,
                f"{degrees(entry.separation.within):.1f}°",
                f"{degrees(entry.separation.between):.1f}°",
                f"{entry.separation.overlap:.0%}",
            )
            for entry in made
        ],
    )
    typer.echo(f"pictures: {out}")


def _draw_indexes(out: Path, families: str, seed: int, as_json: bool) -> None:
    from likewise.lab.search_figures.produce import produce

    made = produce(out, None if families == "all" else _names(families), seed=seed, say=note)
    if as_json:
        print_json([entry.to_dict() for entry in made])
        return
    print_table(
        "One search through each index",
        ("family", "vectors", "looked at", "compared exactly", "found"),
        [
            (
                entry.picture.family,
                str(len(entry.picture.scene.vectors)),
                str(len(entry.picture.looked)),
                str(len(entry.picture.exact)),
                f"{entry.picture.hits} of {len(entry.picture.scene.truth)}",
            )
            for entry in made
        ],
    )
    typer.echo(f"pictures: {out}")


def _names(words: str) -> list[str]:
    return [word.strip() for word in words.split(",")]
