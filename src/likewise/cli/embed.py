"""``likewise embed``: photos become a file of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Device,
    Flip,
    Model,
    OnBad,
    Root,
    print_bad,
    print_json,
)

__all__ = ["embed"]


def embed(
    data: Annotated[Path, typer.Argument(help="A folder of identities, a CSV or a Parquet.")],
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="The file to write: .parquet.")] = Path(
        "embeddings.parquet"
    ),
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Photos at a time.")] = 64,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Embed photos into a Parquet file: names, identities, metadata, unit-length vectors.

    Started by torchrun, each process embeds a stretch of the photos, and the first one writes.

    Example: likewise embed photos/ --model runs/photos/model --out photos.parquet
    """
    from likewise.data.embeddings import write_embeddings
    from likewise.data.formats import read_manifest
    from likewise.errors import InputError
    from likewise.models.loading import load
    from likewise.models.shared_embedding import embed_together
    from likewise.shares import own_share

    if out.suffix.lower() != ".parquet":
        raise InputError(f"--out {out}: embeddings are written as .parquet")
    manifest = read_manifest(data, root)
    share = own_share(out)
    embedder = load(model, device=share.device(device))
    embedded = embed_together(
        embedder, manifest, share, batch_size=batch_size, flip=flip, on_bad_image=on_bad_image.value
    )
    if embedded is None:
        return
    embeddings, bad = embedded
    write_embeddings(embeddings, out)
    share.clear()
    if as_json:
        print_json(
            {
                "file": str(out),
                "count": len(embeddings),
                "dimension": embedder.dimension,
                "fingerprint": embeddings.fingerprint,
                "bad_images": [{"path": b.name, "reason": b.reason} for b in bad],
            }
        )
    else:
        print_bad(bad)
        typer.echo(f"{len(embeddings):,} embeddings of {embedder.dimension} numbers: {out}")
