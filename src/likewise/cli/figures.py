"""``likewise figures``: pictures that explain the losses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, note, print_json, print_table

__all__ = ["figures"]


def figures(
    out: Annotated[Path, typer.Argument(help="The folder to write.", metavar="OUT")],
    losses: Annotated[
        str, typer.Option("--losses", help="Names with commas between them, or all.")
    ] = "all",
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
    seed gives the same pictures.

    Example: likewise figures pictures --losses softmax,cosface,arcface
    """
    from math import degrees

    from likewise.lab.figures.produce import produce

    names = None if losses == "all" else [word.strip() for word in losses.split(",")]
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
