"""``likewise verify``: compare two photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.output import print_json, require_photos
from likewise.cli.threshold import check_decision

if TYPE_CHECKING:
    from likewise.models.operating_point import OperatingPoint
    from likewise.recognition.verification import VerificationAnswer

__all__ = ["verify"]


def verify(
    a: Annotated[Path, typer.Argument(help="A photo.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Another photo.", metavar="B")],
    model: options.Model = "sface",
    threshold: options.Threshold = None,
    distance: options.Distance = "cosine",
    fmr: options.FmrOrNone = None,
    prior: options.Prior = 0.5,
    detect: options.Detect = None,
    face: Annotated[
        str | None,
        typer.Option(
            "--face",
            help="Which of several faces: main, largest, central, clearest, or best: the pair "
            "with the highest score. By default the largest, if it is clear which is meant.",
        ),
    ] = None,
    flip: options.Flip = False,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Decide whether two photos show the same person: yes, no, or it cannot be decided.

    A model of aligned faces, such as sface, finds the face in each photo first. It cannot be
    decided if a photo has no face, if it is not clear which face is meant, if a face is too poor
    (small, blurred, …) and does not match, or if both are poor: the reason is printed, "same" is
    null in the JSON, and the exit code is 0 as for any answer.

    By default the threshold is the one that was measured when the model was calibrated. Both this
    threshold and the probability are of the cosine: other distances need --threshold.

    Example: likewise verify a.jpg b.jpg --fmr 1e-3
    """
    from likewise.distances import parse_distance
    from likewise.errors import InputError
    from likewise.models.loading import load
    from likewise.recognition.verification import FACE_RULES
    from likewise.recognition.verification import verify as compare

    if not 0 < prior < 1:
        raise InputError(f"--prior: must be between 0 and 1; got {prior:g}")
    if face is not None and face not in FACE_RULES:
        raise InputError(f"--face: {face!r}; must be {', '.join(FACE_RULES)}")
    require_photos([a, b])
    by_cosine = parse_distance(distance).name == "cosine"
    check_decision(threshold, fmr, by_cosine=by_cosine)
    embedder = load(model, device=device)
    of_faces = embedder.preprocess.alignment is not None if detect is None else detect
    if face is not None and not of_faces:
        raise InputError("--face: no faces are looked for; add --detect")
    if of_faces and not by_cosine:
        raise InputError(f"--distance {distance}: faces are compared by the cosine; leave it out")
    answer = compare(
        a, b, embedder, threshold=threshold, fmr=fmr, prior=prior, face=face, flip=flip,
        detect=of_faces, distance=distance,
    )  # fmt: skip
    if as_json:
        print_json(_json(answer))
    else:
        _tell(answer)


def _json(answer: VerificationAnswer) -> dict[str, Any]:
    from likewise.cli.face_json import recognized_json

    point = answer.point
    told: dict[str, Any] = {
        "score": answer.score,
        "probability": answer.probability,
        "prior": None if answer.probability is None else answer.prior,
        "same": answer.same,
        "threshold": answer.threshold,
        "far": point.far if point else None,
        "far_interval": point.far_interval if point else None,
        "tar": point.tar if point else None,
        "reasons": list(answer.reasons),
        "notes": list(answer.notes),
    }
    if answer.of_faces:
        told["photos"] = [
            {
                "path": photo.name,
                "faces": len(photo.faces),
                "face": None if photo.chosen is None else recognized_json(photo.chosen, photo.poor),
            }
            for photo in answer.photos
        ]
    return told


def _tell(answer: VerificationAnswer) -> None:
    for text in dict.fromkeys(answer.notes):  # of the same photo twice, only once
        typer.echo(f"note: {text}")
    if answer.score is not None:
        _tell_score(answer.score, answer.distance, answer.probability, answer.prior)
    if answer.same is None:
        typer.echo(f"cannot decide: {'; '.join(answer.reasons)}")
    else:
        _tell_decision(answer.same, answer.threshold, answer.point)


def _tell_score(score: float, distance: str, probability: float | None, prior: float) -> None:
    from likewise.models.calibration import probability_text

    by_cosine = distance == "cosine"
    meaning = "1 is identical, 0 unrelated" if by_cosine else "higher is more similar"
    typer.echo(f"score {score:.4f} ({distance}: {meaning})")
    if probability is not None:
        typer.echo(
            f"probability of the same person {probability_text(probability)} "
            f"(with a prior of {prior:.4g}; see --prior)"
        )


def _tell_decision(same: bool, limit: float | None, measured: OperatingPoint | None) -> None:
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
