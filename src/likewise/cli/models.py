"""``likewise models``: list backbones, and import trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json
from likewise.cli.registration import add_command

__all__ = ["app"]

app = typer.Typer(help="List backbones, and import trained networks.", no_args_is_help=True)


def list_names(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN",
            help="Pattern with * and ?, like 'resnet*'; also lists those of timm.",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the backbones of Likewise, or all backbones that match a pattern.

    Each name can be the value of model.name in a recipe.

    Example: likewise models list 'resnet*'
    """
    from likewise.models.registry import OWN, list_backbones

    found = sorted(OWN) if pattern is None else list_backbones(pattern)
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(found) if found else f"no backbone matches {pattern}")
    if pattern is None and (more := len(list_backbones()) - len(found)):
        note(f"and {more:,} of timm; list them by a pattern: likewise models list 'resnet*'")


def import_model(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="An .onnx file, or weights (.pth, .pt, .safetensors)."),
    ],
    out: options.Out,
    backbone: Annotated[
        str, typer.Option("--backbone", help="Backbone of a file of weights.")
    ] = "iresnet50",
    embedding_dim: Annotated[
        int, typer.Option("--embedding-dim", help="Embedding dimension of a file of weights.")
    ] = 512,
    size: Annotated[
        str, typer.Option("--size", help="Input size HEIGHTxWIDTH, unless the file fixes it.")
    ] = "112x112",
    mean: Annotated[
        str, typer.Option("--mean", help="Mean of each channel, for pixels from 0 to 1.")
    ] = "0.5,0.5,0.5",
    std: Annotated[
        str, typer.Option("--std", help="Standard deviation of each channel.")
    ] = "0.5,0.5,0.5",
    order: Annotated[str, typer.Option("--order", help="Channel order: rgb or bgr.")] = "rgb",
    fit: Annotated[
        str, typer.Option("--fit", help="How a photo is fitted to --size: crop, pad or stretch.")
    ] = "crop",
    as_json: options.AsJson = False,
) -> None:
    """Import a network that was trained elsewhere, together with its preprocessing.

    The defaults are those of InsightFace. No code in a file of weights is executed. From a training
    checkpoint, such as those of arcface_torch, only the network is imported. An ONNX file may have
    its weights in a second file beside it. The folder --out can then be given as --model.

    Example: likewise models import net.onnx --out net --mean .485,.456,.406 --std .229,.224,.225
    """
    from likewise.data.preprocess import Preprocess
    from likewise.errors import InputError
    from likewise.models.importing import import_onnx, import_weights
    from likewise.models.registry import Backbone

    means, stds = _numbers("--mean", mean), _numbers("--std", std)
    height, _, width = size.lower().partition("x")
    if not height.isdigit() or not (width or height).isdigit():
        raise InputError(f"--size {size}: must be HEIGHTxWIDTH, like 112x112")
    if len(means) not in (1, 3):
        raise InputError(f"--mean {mean}: must be 1 number (gray) or 3 (color)")
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
        typer.echo(f"model: {out} (embeddings of dimension {embedder.dimension})")


def _numbers(option: str, text: str) -> tuple[float, ...]:
    from likewise.errors import InputError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text}: must be numbers separated by commas") from None


add_command(app, "list", list_names)
add_command(app, "import", import_model)
