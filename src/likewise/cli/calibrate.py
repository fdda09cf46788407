"""``likewise calibrate``: from scores to probabilities, and thresholds at a named error rate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Device,
    Flip,
    OnBad,
    Root,
    Split,
    print_bad,
    print_json,
    print_table,
    print_trained_on,
)

__all__ = ["calibrate"]


class Method(StrEnum):
    """The map from score to probability."""

    logistic = "logistic"
    isotonic = "isotonic"


def calibrate(
    data: Annotated[
        Path, typer.Argument(help="Labelled photos, or embeddings that the model made: .parquet.")
    ],
    model: Annotated[
        Path,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder; it is updated."),
    ],
    fmr: Annotated[
        float, typer.Option("--fmr", help="The false match rate at which verify decides.")
    ] = 1e-3,
    method: Annotated[
        Method, typer.Option("--method", help="Two numbers, or any rising curve.")
    ] = Method.logistic,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most pairs of each kind.")] = (
        200_000
    ),
    replicates: Annotated[
        int, typer.Option("--replicates", min=20, help="Draws of people, for the intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws pairs and people.")] = 0,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    split: Split = None,
    as_json: AsJson = False,
) -> None:
    """Fit what the model's scores mean, and its thresholds, on people it was not trained on.

    The model's folder then holds the calibration and the thresholds; `likewise verify` uses them.
    Of a table with a column split, the photos of val are taken, unless --split names others.

    Example: likewise calibrate other_people/ --model runs/photos/model --fmr 1e-3
    """
    from likewise.cli.source import Side, embeddings_of
    from likewise.errors import InputError
    from likewise.evaluation.calibration.fit import calibrate as fit
    from likewise.models.loading import load

    if not model.is_dir():
        raise InputError(f"{model}: a calibration is kept in a model's folder, and this is none")
    embedder = load(model, device=device)
    source = embeddings_of(
        data, str(model), ids=None, root=root, device=device, flip=flip, policy=on_bad_image,
        side=Side(split, default="val"),
    )  # fmt: skip
    found = fit(
        embedder,
        source.embeddings,
        fmr=fmr,
        method=method.value,
        limit=limit,
        replicates=replicates,
        seed=seed,
    )
    embedder.save(model)
    assert found.calibration is not None  # refused otherwise
    if as_json:
        print_json(
            {
                "model": str(model),
                "calibration": found.calibration.to_dict(),
                "operating_point": found.chosen.to_dict() if found.chosen else None,
                "operating_points": [point.to_dict() for point in found.points],
                "trained_on": list(source.trained_on),
                "bad_images": [{"path": b.name, "reason": b.reason} for b in source.bad],
            }
        )
        return
    print_bad(source.bad)
    print_trained_on(source.trained_on)
    rows = []
    for point in found.points:
        between = "–"
        if point.far_interval is not None:
            between = "{:.2g} to {:.2g}".format(*point.far_interval)
        mark = " (decides)" if point == found.chosen else ""
        rows.append(
            (
                f"{point.fmr:g}{mark}",
                f"{point.threshold:.4f}",
                between,
                f"{point.tar:.4f}",
                f"{found.calibration.probability(point.threshold):.3g}",
            )
        )
    columns = ("FMR", "threshold", "FMR, 95 %", "TAR", "probability there")
    print_table(f"Thresholds of {model}", columns, rows)
