"""``likewise calibrate``: fit probabilities and thresholds to the scores of a model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import (
    bad_images_json,
    note,
    print_bad_images,
    print_json,
    print_table,
    warn_of_training_identities,
)

__all__ = ["calibrate"]


class Method(StrEnum):
    """How scores are mapped to probabilities."""

    logistic = "logistic"
    isotonic = "isotonic"


def calibrate(
    data: options.PhotosOrEmbeddings,
    model: options.Model,
    fmr: options.Fmr = 1e-3,
    method: Annotated[
        Method,
        typer.Option(
            "--method", help="Calibration method: logistic, or isotonic (any increasing curve)."
        ),
    ] = Method.logistic,
    max_pairs: options.MaxPairs = 200_000,
    replicates: options.Replicates = 1000,
    seed: options.Seed = 0,
    flip: options.Flip = False,
    on_bad_image: options.OnBadImage = options.BadImagePolicy.skip,
    device: options.Device = "auto",
    root: options.Root = None,
    split: options.Split = None,
    as_json: options.AsJson = False,
) -> None:
    """Calibrate a model: fit probabilities and thresholds on identities that were not in training.

    Both are written into the folder of the model, or into the JSON beside an ONNX file.
    `likewise verify` and `likewise index search` use them; by default they decide at the threshold
    for --fmr. The lengths of the raw embeddings are stored as well: the quality of a photo is its
    percentile among them. Of a table with a column split the photos of val are used, unless
    --split names others.

    Example: likewise calibrate other_people/ --model runs/photos/model --fmr 1e-3
    """
    from likewise.arguments import check_number
    from likewise.cli.inputs import SplitChoice, read_or_embed
    from likewise.errors import InputError
    from likewise.evaluation.calibration.fit import calibrate as fit
    from likewise.models.loading import load
    from likewise.models.saving import write_onnx_config

    check_number("--fmr", fmr, above=0, most=1)  # before photos are embedded
    onnx_file = Path(model).suffix.lower() == ".onnx" and Path(model).is_file()
    if not onnx_file and not Path(model).is_dir():
        raise InputError(
            f"{model}: must be the folder of a model, or an .onnx file with its JSON, which keeps "
            f"the calibration; make one of a ready model: likewise models import {model} "
            "--out FOLDER"
        )
    embedder = load(model, device=device)
    source = read_or_embed(
        data, model, ids=None, root=root, device=device, flip=flip, policy=on_bad_image,
        split=SplitChoice(split, default="val"),
    )  # fmt: skip
    found = fit(
        embedder,
        source.embeddings,
        fmr=fmr,
        method=method.value,
        limit=max_pairs,
        replicates=replicates,
        seed=seed,
        data=source.settings["data"],
    )
    if onnx_file:
        write_onnx_config(Path(model), embedder.config())
    else:
        embedder.save(model)
    assert found.calibration is not None  # refused otherwise
    if as_json:
        print_json(
            {
                "model": model,
                "calibration": found.calibration.to_dict(),
                "operating_point": found.chosen.to_dict() if found.chosen else None,
                "operating_points": [point.to_dict() for point in found.points],
                "norms": embedder.norms.to_dict() if embedder.norms else None,
                "trained_on": list(source.trained_on),
                "bad_images": bad_images_json(source.bad),
            }
        )
        return
    print_bad_images(source.bad)
    warn_of_training_identities(source.trained_on)
    rows = []
    for point in found.points:
        interval = "–"
        if point.far_interval is not None:
            interval = "{:.2g} to {:.2g}".format(*point.far_interval)
        mark = " (default)" if point == found.chosen else ""
        rows.append(
            (
                f"{point.fmr:g}{mark}",
                f"{point.threshold:.4f}",
                interval,
                f"{point.tar:.4f}",
                f"{found.calibration.probability(point.threshold):.3g}",
            )
        )
    if embedder.norms is not None:
        note(f"quality of a photo: its percentile among {embedder.norms.count:,} photos")
    columns = ("FMR", "threshold", "FMR, 95 %", "TAR", "probability")
    print_table(f"Thresholds of {model}", columns, rows)
