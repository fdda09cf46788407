"""``likewise figures``: draw what the losses do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table
from likewise.cli.registration import out_of

__all__ = ["figures"]


def figures(
    context: typer.Context,
    old_out: Annotated[Path | None, typer.Argument(hidden=True)] = None,
    out: options.Out = Path("figures"),
    losses: options.Losses = "all",
    dim: Annotated[
        int, typer.Option("--dim", min=2, max=3, help="Dimension of the embeddings: 2 or 3.")
    ] = 2,
    gif: Annotated[
        bool, typer.Option("--gif", help="Also animate the embeddings during training.")
    ] = False,
    steps: options.Steps = 600,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Draw what each loss does: embeddings of eight people, and a decision boundary.

    With each loss a small network is trained on eight people of the AT&T/ORL faces, which takes a
    few seconds.

    Example: likewise figures --losses softmax,cosface,arcface --out pictures
    """
    from math import degrees

    from likewise.lab.figures.produce import produce

    out = out_of(context, old_out, out) or out
    names = None if losses == "all" else [word.strip() for word in losses.split(",")]
    made = produce(out, names, dim=dim, gif=gif, seed=seed, steps=steps, say=note)
    if as_json:
        print_json([entry.to_dict() for entry in made])
        return
    print_table(
        "Eight people, photos that were not in training",
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
