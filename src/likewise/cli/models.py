"""``likewise models``: which networks there are, and networks brought in from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, add_command, note, print_json

__all__ = ["app"]

app = typer.Typer(help="List networks, and import trained ones.", no_args_is_help=True)


def names(
    pattern: Annotated[
        str | None,
        typer.Argument(help="Among all, timm's too; with * and ?, like 'resnet*'."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the backbones that a recipe can name: Likewise's own, or all that fit a pattern.

    Example: likewise models list 'resnet*'
    """
    from likewise.models.registry import OWN, list_backbones

    found = sorted(OWN) if pattern is None else list_backbones(pattern)
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(found) if found else f"no backbone is named like {pattern}")
    if pattern is None and (more := len(list_backbones()) - len(found)):
        note(f"and {more:,} of timm's; list some by a pattern: likewise models list 'resnet*'")


def bring_in(
    file: Annotated[
        Path, typer.Argument(help="An .onnx file, or weights (.pth, .pt, .safetensors).")
    ],
    out: Annotated[Path, typer.Option("--out", help="The model's folder.")],
    backbone: Annotated[
        str, typer.Option("--backbone", help="For weights: of which network they are.")
    ] = "iresnet50",
    embedding_dim: Annotated[
        int, typer.Option("--embedding-dim", help="For weights: numbers in an embedding.")
    ] = 512,
    size: Annotated[
        str, typer.Option("--size", help="HEIGHTxWIDTH, unless the file fixes it.")
    ] = "112x112",
    mean: Annotated[str, typer.Option("--mean", help="Of each channel, on 0…1.")] = "0.5,0.5,0.5",
    std: Annotated[str, typer.Option("--std", help="Likewise.")] = "0.5,0.5,0.5",
    order: Annotated[str, typer.Option("--order", help="rgb or bgr.")] = "rgb",
    fit: Annotated[str, typer.Option("--fit", help="crop, pad or stretch.")] = "crop",
    as_json: AsJson = False,
) -> None:
    """Make a model's folder of a network trained elsewhere; its preprocessing is stored with it.

    The defaults are those of InsightFace. Nothing in a file of weights is run. Of a training
    checkpoint, such as arcface_torch's, the network is taken. An ONNX file may keep its weights in
    a second file beside it.

    Example: likewise models import net.onnx --out net --mean .485,.456,.406 --std .229,.224,.225
    """
    from likewise.data.preprocess import Preprocess
    from likewise.errors import InputError
    from likewise.models.importing import import_onnx, import_weights
    from likewise.models.registry import Backbone

    means, stds = _numbers("--mean", mean), _numbers("--std", std)
    height, _, width = size.lower().partition("x")
    if not height.isdigit() or not (width or height).isdigit():
        raise InputError(f"--size {size}: expected HEIGHTxWIDTH, like 112x112")
    if len(means) not in (1, 3):
        raise InputError(f"--mean {mean}: expected 1 number (grey) or 3 (colour)")
    preprocess = Preprocess(
        int(height),
        int(width or height),
        1 if len(means) == 1 else 3,
        mean=means,
        std=stds,
        order=order,
        fit=fit,
    )
    if file.suffix.lower() == ".onnx":
        embedder = import_onnx(file, preprocess)
    else:
        embedder = import_weights(file, Backbone(backbone, embedding_dim), preprocess)
    embedder.about = {"Imported from": file.name}
    embedder.save(out)
    if as_json:
        print_json({"model": str(out), **embedder.config()})
    else:
        typer.echo(f"model: {out} ({embedder.dimension} numbers an embedding)")


def _numbers(option: str, text: str) -> tuple[float, ...]:
    from likewise.errors import InputError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text}: expected numbers with commas between them") from None


add_command(app, "list", names)
add_command(app, "import", bring_in)
