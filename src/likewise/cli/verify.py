"""``likewise verify A B``: do two photos show the same person?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, Device, Flip, Model, print_json

__all__ = ["verify"]


def verify(
    a: Annotated[Path, typer.Argument(help="A photo.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Another photo.", metavar="B")],
    model: Model,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=-1, max=1, help="Decide here; default: the model's own."),
    ] = None,
    flip: Flip = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score two photos, and decide at the threshold that was measured with the model.

    Example: likewise verify a.jpg b.jpg --model runs/photos/model
    """
    from likewise.models.store import load

    embedder = load(model, device=device)
    first, second = embedder.embed([a, b], flip=flip)
    score = float(min(1.0, max(-1.0, first @ second)))
    point = embedder.operating_point
    limit = threshold if threshold is not None else (point.threshold if point else None)
    same = None if limit is None else score >= limit
    measured = point if threshold is None else None
    if as_json:
        print_json(
            {
                "score": score,
                "same": same,
                "threshold": limit,
                "far": measured.far if measured else None,
                "tar": measured.tar if measured else None,
            }
        )
        return
    typer.echo(f"score {score:.4f} (cosine: 1 is identical, 0 unrelated)")
    if same is None:
        typer.echo("no decision: the model has no measured threshold; give one with --threshold")
        return
    sign = "≥" if same else "<"
    typer.echo(f"{'same person' if same else 'different people'} ({sign} threshold {limit:.4f})")
    if measured is not None:
        typer.echo(
            f"measured there on people held out from training: FAR {measured.far:.2g}, "
            f"TAR {measured.tar:.3f} ({measured.impostor:,} impostor pairs)"
        )
