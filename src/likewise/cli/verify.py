"""``likewise verify``: compare two photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import print_json, require_photos
from likewise.cli.threshold import check_decision, find_operating_point

if TYPE_CHECKING:
    from likewise.models.operating_point import OperatingPoint

__all__ = ["verify"]


def verify(
    a: Annotated[Path, typer.Argument(help="A photo.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Another photo.", metavar="B")],
    model: options.Model,
    threshold: options.Threshold = None,
    distance: options.Distance = "cosine",
    fmr: options.FmrOrNone = None,
    prior: Annotated[
        float,
        typer.Option("--prior", help="Prior probability of a genuine pair, from 0 to 1."),
    ] = 0.5,
    flip: options.Flip = False,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Decide whether two photos show the same person.

    By default the threshold is the one that was measured when the model was calibrated. Both this
    threshold and the probability are of the cosine: other distances need --threshold.

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
    point = find_operating_point(embedder, fmr)
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
    meaning = "1 is identical, 0 unrelated" if by_cosine else "higher is more similar"
    typer.echo(f"score {score:.4f} ({distance}: {meaning})")
    if probability is not None:
        typer.echo(
            f"probability of the same person {probability:.4g} (with a prior of {prior:.4g}; "
            "see --prior)"
        )
    if same is None:
        reason = (
            "the model has no measured threshold"
            if by_cosine
            else "thresholds are measured for the cosine only"
        )
        typer.echo(f"no decision: {reason}; give one with --threshold")
        return
    sign = "≥" if same else "<"
    typer.echo(f"{'same person' if same else 'different people'} ({sign} threshold {limit:.4f})")
    if measured is not None:
        typer.echo(_operating_point_text(measured))


def _operating_point_text(point: OperatingPoint) -> str:
    """The error rates that were measured at a threshold."""
    interval = " (no confidence interval: too few identities)"
    if point.far_interval is not None:
        interval = " (95 %: {:.2g} to {:.2g})".format(*point.far_interval)
    return (
        f"measured at this threshold on unseen identities: FMR {point.far:.2g}{interval}, "
        f"TAR {point.tar:.3f} ({point.impostor:,} impostor pairs)"
    )
