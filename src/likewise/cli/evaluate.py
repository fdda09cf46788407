"""``likewise evaluate``: how good is it?"""

from __future__ import annotations

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
    note,
    print_bad,
    print_experiment,
    print_json,
)

__all__ = ["evaluate"]


def evaluate(
    data: Annotated[
        Path, typer.Argument(help="Photos (with --model), or embeddings: .parquet or .npy.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            help="LFW's pairs.txt, CFP's Split/FP, a .bin, or a CSV: left, right, same, fold.",
        ),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write report.json and report.html here.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Without --pairs: most pairs of each kind.")
    ] = 1_000_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws them.")] = 0,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Verify pairs of photos: ROC, AUC, equal error rate, TAR at FAR; LFW's folds.

    Without --pairs, a .bin validation set's own pairs are verified, and of labelled photos all.

    Example: likewise evaluate test_photos/ --model runs/photos/model --out report
    """
    from likewise.cli.source import embeddings_of
    from likewise.data.protocols import names_its_pairs, read_pairs
    from likewise.evaluation.protocol import evaluate as measure
    from likewise.storage import output_folder

    if out is not None:
        output_folder(out)
    if pairs is None and names_its_pairs(data):
        pairs = data
    chosen = None if pairs is None else read_pairs(pairs)
    source = embeddings_of(
        data, model, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    settings = {**source.settings, **({"pairs_file": pairs.name} if pairs else {})}
    experiment = measure(source.embeddings, chosen, limit=limit, seed=seed, settings=settings)
    if out is not None:
        from likewise.evaluation.report import write_report

        page = write_report(experiment, out, source.photos)
        note(f"report: {page}")
    if as_json:
        print_json(
            {
                **experiment.to_dict(),
                "bad_images": [{"path": b.name, "reason": b.reason} for b in source.bad],
            }
        )
    else:
        print_bad(source.bad)
        print_experiment(f"Verification of {data.name}", experiment)
