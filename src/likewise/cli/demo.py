"""``likewise demo``: train, evaluate, search and identify on real faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from likewise.lab.demo.without_training import Recognition

__all__ = ["demo"]


def demo(
    out: options.Out = Path("demo"),
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Train on 20 people of the AT&T/ORL faces, then recognize 20 others; takes a few minutes.

    Writes the model, an evaluation report, an index and a picture of a search into --out. Then it
    identifies photos of the 20 others without training, against a folder of people.

    Example: likewise demo --out demo
    """
    from likewise.lab.demo.demo import run

    outcome = run(out, seed=seed, say=note)
    if as_json:
        print_json(outcome.to_dict())
        return
    print_table(
        "Verification of people 21–40, who were not in training",
        ("", "AUC", "EER", "TAR at FAR 1e-2"),
        [
            (row.method, f"{row.auc:.4f}", f"{row.eer:.2%}", f"{row.tar:.3f}")
            for row in outcome.rows
        ],
    )
    typer.echo(f"report:  {outcome.report}")
    typer.echo(f"picture: {outcome.picture}")
    typer.echo(f"index:   {outcome.index}")
    if outcome.recognition is not None:
        typer.echo(_recognition_text(outcome.recognition))
    typer.echo("\nNow your own photos, with one folder per person:")
    for line in outcome.next_steps:
        typer.echo(f"  {line}")


def _recognition_text(found: Recognition) -> str:
    """What a network without training recognised."""
    return (
        f"\nWithout training, a gallery of 5 photos per person: {found.named} of {found.known} "
        f"photos named right, {found.misnamed} wrong; of {found.strangers} photos of strangers, "
        f"{found.mistaken} named\npicture: {found.picture}\nagain:   {found.command}"
    )
