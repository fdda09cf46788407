"""``likewise demo``: the main job, end to end, on real faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, note, print_json, print_table

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where everything is written.")] = Path("demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws weights and batches.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train on 20 people, recognise 20 others: the AT&T/ORL faces, in a few minutes.

    Example: likewise demo --out demo
    """
    from likewise.lab.demo import run

    outcome = run(out, seed=seed, say=note)
    if as_json:
        print_json(outcome.to_dict())
        return
    print_table(
        "Verification of people 21–40, none of whom was seen in training",
        ("", "AUC", "EER", "TAR at FAR 1e-2"),
        [
            (row.method, f"{row.auc:.4f}", f"{row.eer:.2%}", f"{row.tar:.3f}")
            for row in outcome.rows
        ],
    )
    typer.echo(f"report:  {outcome.report}")
    typer.echo(f"picture: {outcome.picture}")
    typer.echo(f"index:   {outcome.index}")
    typer.echo("\nNow your own photos, one folder a person:")
    for line in outcome.next_steps:
        typer.echo(f"  {line}")
