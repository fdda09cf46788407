"""``likewise verify A B``: do two photos show the same person?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli.decision import Fmr, Threshold, check_decision, measured_point
from likewise.cli.output import AsJson, Device, Flip, Model, print_json, require_photos

if TYPE_CHECKING:
    from likewise.models.operating_point import OperatingPoint

__all__ = ["verify"]


def verify(
    a: Annotated[Path, typer.Argument(help="A photo.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Another photo.", metavar="B")],
    model: Model,
    threshold: Threshold = None,
    distance: Annotated[
        str,
        typer.Option(
            "--distance",
            help="As in evaluate; the model's own threshold and probability are of the cosine.",
        ),
    ] = "cosine",
    fmr: Fmr = None,
    prior: Annotated[
        float,
        typer.Option("--prior", help="How often two photos here are of one person, from 0 to 1."),
    ] = 0.5,
    flip: Flip = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score two photos, and decide at a threshold that was measured with the model.

    Example: likewise verify a.jpg b.jpg --model runs/photos/model --fmr 1e-3
    """
    import numpy as np

    from likewise.distances import parse_distance
    from likewise.errors import InputError
    from likewise.evaluation.verification.metrics import pair_scores
    from likewise.models.loading import load

    if not 0 < prior < 1:
        raise InputError(f"--prior: must be between 0 and 1; got {prior:g}")
    require_photos([a, b])
    metric = parse_distance(distance)
    by_cosine = metric.name == "cosine"
    check_decision(threshold, fmr, by_cosine=by_cosine)
    embedder = load(model, device=device)
    point = measured_point(embedder, fmr)
    pair = embedder.embed([a, b], flip=flip)
    score = float(pair_scores(pair, np.array([0]), np.array([1]), metric)[0])
    calibration = embedder.calibration if by_cosine else None
    point = point if by_cosine else None
    probability = None if calibration is None else calibration.probability(score, prior)
    limit = threshold if threshold is not None else (point.threshold if point else None)
    same = None if limit is None else score >= limit
    measured = point if threshold is None else None
    if as_json:
        print_json(
            {
                "score": score,
                "probability": probability,
                "prior": None if probability is None else prior,
                "same": same,
                "threshold": limit,
                "far": measured.far if measured else None,
                "far_interval": measured.far_interval if measured else None,
                "tar": measured.tar if measured else None,
            }
        )
        return
    meaning = "1 is identical, 0 unrelated" if by_cosine else "higher is more alike"
    typer.echo(f"score {score:.4f} ({distance}: {meaning})")
    if probability is not None:
        typer.echo(
            f"probability of the same person {probability:.4g} (if {prior:.4g} of the pairs "
            "compared here are)"
        )
    if same is None:
        whose = "the model has no measured threshold" if by_cosine else "no threshold was measured"
        typer.echo(f"no decision: {whose}; give one with --threshold")
        return
    sign = "≥" if same else "<"
    typer.echo(f"{'same person' if same else 'different people'} ({sign} threshold {limit:.4f})")
    if measured is not None:
        typer.echo(_told(measured))


def _told(point: OperatingPoint) -> str:
    """What is known of the threshold."""
    between = " (no interval: too few people)"
    if point.far_interval is not None:
        between = " (95 %: {:.2g} to {:.2g})".format(*point.far_interval)
    return (
        f"measured there on people held out from training: FMR {point.far:.2g}{between}, "
        f"TAR {point.tar:.3f} ({point.impostor:,} impostor pairs)"
    )
