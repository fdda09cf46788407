"""``likewise export``: write a model as ONNX or as a program of torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.output import bad_images_json, note, print_bad_images, print_json, print_table

if TYPE_CHECKING:
    from likewise.evaluation.verification.metrics import Verification
    from likewise.models.export import Export

__all__ = ["export"]


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model: a folder, a hub id or an .onnx file.")
    ],
    to: options.To = "onnx",
    out: options.OutOrNone = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantize to int8, calibrated on --photos; ONNX only.")
    ] = False,
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos",
            help="Photos to calibrate int8 on and measure its loss; identities optional.",
        ),
    ] = None,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Scale the embeddings to unit length in the file.")
    ] = False,
    preprocess: Annotated[
        bool,
        typer.Option(
            "--preprocess", help="Let the file take uint8 RGB pixels, and normalize them itself."
        ),
    ] = False,
    seed: options.Seed = 0,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Export a model to ONNX (--to onnx) or to a program of torch.export (--to torch).

    The batch size is free. The result is compared with the original on batches of 1, 7 and 64
    images, and is not written if a unit-length embedding differs by more than 1e-3. By default the
    file is named after the model, in the current folder. Beside an ONNX file its preprocessing,
    thresholds and calibration are written as JSON, so that it can be given as --model.

    With --int8, at least 64 photos are needed: half of them calibrate, the other half tells the
    loss in cosine and, if the photos have identities, in verification.

    Example: likewise export runs/photos/model --to onnx --out faces.onnx
    """
    from likewise.models.export import export as work
    from likewise.models.export.exporting import SUFFIXES, photos_for

    if out is None:
        name = Path(model).name.removesuffix(".onnx") or "model"
        out = Path(f"{name}{'-int8' * int8}{SUFFIXES.get(to, '')}")
    manifest = None if photos is None else photos_for(photos, root)
    done = work(
        model, out, to=to, int8=int8, photos=manifest, normalize=normalize, preprocess=preprocess,
        seed=seed,
    )  # fmt: skip
    measured, reason = _verification(done)
    if as_json:
        print_json(_as_json(done, measured))
        return
    print_bad_images(done.bad_images)
    _print(done)
    if measured is not None:
        _print_verification(*measured)
    elif reason:
        note(f"verification left out: {reason}")


def _verification(done: Export) -> tuple[tuple[Verification, Verification] | None, str]:
    """Verification of the held-out photos by float32 and by int8, or why it is left out."""
    from likewise.errors import InputError
    from likewise.evaluation.experiment import evaluate

    if done.held_out is None:
        return None, ""
    if "identity" not in done.held_out[0].items.column_names:
        return None, "the photos have no identities"
    try:
        full, small = (evaluate(vectors).measured for vectors in done.held_out)
    except InputError as error:
        return None, str(error)
    return (full, small), ""


def _tar(measured: Verification) -> dict[float, float]:
    return {e.target: e.tar for e in measured.tar_at_far if e.tar is not None}


def _as_json(done: Export, measured: tuple[Verification, Verification] | None) -> dict[str, Any]:
    name, kind, shape = done.input
    loss = done.quantization
    return {
        "file": str(done.path),
        "bytes": done.path.stat().st_size,
        "opset": done.opset,
        "fingerprint": done.fingerprint,
        "input": {"name": name, "type": kind, "shape": list(shape)},
        "normalized": done.normalized,
        "largest_difference": {str(batch): d for batch, d in done.differences.items()},
        "int8": None if loss is None else loss.to_dict(),
        "verification": None
        if measured is None
        else {
            side: {
                "genuine_pairs": found.genuine,
                "impostor_pairs": found.impostor,
                "auc": found.auc,
                "eer": found.eer,
                "tar_at_far": {f"{far:g}": tar for far, tar in _tar(found).items()},
            }
            for side, found in zip(("float32", "int8"), measured, strict=True)
        },
        "bad_images": bad_images_json(done.bad_images),
    }


def _print(done: Export) -> None:
    name, kind, shape = done.input
    form = "a program of torch.export" if done.opset is None else f"ONNX, opset {done.opset}"
    megabytes = done.path.stat().st_size / 1e6
    length = "of unit length" if done.normalized else "not normalized"
    typer.echo(f"{done.path}: {form}, {megabytes:.1f} MB, batch size free")
    typer.echo(f"input {name}: {kind} [{', '.join(map(str, shape))}]; embeddings {length}")
    print_table(
        "Largest difference from the original, unit-length embeddings"
        + (", before int8" if done.quantization else ""),
        ("batch", *map(str, done.differences)),
        [("difference", *(f"{d:.1e}" for d in done.differences.values()))],
    )
    loss = done.quantization
    if loss is None:
        return
    print_table(
        f"int8, calibrated on {loss.calibration_photos:,} photos",
        ("", ""),
        [
            (f"cosine to float32, median of {loss.held_out_photos:,} others",
             f"{loss.median_cosine:.4f}"),
            ("5th percentile", f"{loss.p5_cosine:.4f}"),
            ("time over float32, ONNX Runtime on this CPU", f"{loss.relative_time:.2f}"),
        ],
    )  # fmt: skip
    if loss.relative_time >= 1:
        note("warning: int8 is slower than float32 here: this network only gets smaller by it")
    note(
        f"an int8 model is another embedder: calibrate it before it decides: "
        f"likewise calibrate DATA --model {done.path}"
    )


def _print_verification(full: Verification, small: Verification) -> None:
    title = (
        f"Verification of the held-out photos: {full.genuine:,} genuine, {full.impostor:,} "
        "impostor pairs"
    )
    tars = sorted(_tar(full).keys() & _tar(small).keys(), reverse=True)
    rows = [
        ("AUC", f"{full.auc:.5f}", f"{small.auc:.5f}"),
        ("EER", f"{full.eer:.3%}", f"{small.eer:.3%}"),
        *((f"TAR at FAR {far:g}", f"{_tar(full)[far]:.4f}", f"{_tar(small)[far]:.4f}")
          for far in tars),
    ]  # fmt: skip
    print_table(title, ("", "float32", "int8"), rows)
