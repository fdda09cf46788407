"""``likewise embed``: embed photos into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import bad_images_json, print_bad_images, print_json

__all__ = ["embed"]


def embed(
    data: options.Photos,
    model: options.Model,
    out: options.Out = Path("embeddings.parquet"),
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Number of photos per forward pass.")
    ] = 64,
    flip: options.Flip = False,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="Number format of the network: float32, bf16, fp16, or auto, the fastest of the "
            "device.",
        ),
    ] = "float32",
    compile: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the network first: for ten thousand photos or more."
        ),
    ] = False,
    on_bad_image: options.OnBadImage = options.BadImagePolicy.skip,
    device: options.Device = "auto",
    root: options.Root = None,
    format: options.Format = None,
    detect: options.Detect = None,
    as_json: options.AsJson = False,
) -> None:
    """Embed photos into a Parquet file of names, identities, metadata and unit-length vectors.

    Under torchrun each rank embeds a part of the photos, and rank 0 writes the file.

    Example: likewise embed photos/ --model runs/photos/model --out photos.parquet
    """
    from likewise.arguments import one_of
    from likewise.cli.detection import align_for_model
    from likewise.data.embeddings import write_embeddings
    from likewise.data.formats import read_manifest
    from likewise.errors import InputError
    from likewise.models.loading import load
    from likewise.models.number_format import PRECISIONS
    from likewise.models.shared_embedding import embed_distributed
    from likewise.shares import own_share

    if out.suffix.lower() != ".parquet":
        raise InputError(f"--out {out}: must end in .parquet")
    one_of("--precision", precision, PRECISIONS)
    manifest = read_manifest(data, root, format=format)
    share = own_share(out)
    embedder = load(model, device=share.device(device))
    manifest, left_out = align_for_model(
        embedder, manifest, detect, source=data, policy=on_bad_image.value
    )
    embedded = embed_distributed(
        embedder, manifest, share, batch_size=batch_size, flip=flip, precision=precision,
        compile=compile, on_bad_image=on_bad_image.value,
    )  # fmt: skip
    if embedded is None:
        return
    embeddings, bad = embedded
    bad = left_out + bad
    write_embeddings(embeddings, out)
    share.clear()
    if as_json:
        print_json(
            {
                "file": str(out),
                "count": len(embeddings),
                "dimension": embedder.dimension,
                "fingerprint": embeddings.fingerprint,
                "alignment": embeddings.alignment,
                "bad_images": bad_images_json(bad),
            }
        )
    else:
        print_bad_images(bad)
        typer.echo(f"{len(embeddings):,} embeddings of dimension {embedder.dimension}: {out}")
