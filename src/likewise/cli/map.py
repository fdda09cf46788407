"""``likewise map``: embeddings laid out on a plane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, BadImagePolicy, Device, Root, note, print_bad, print_json

__all__ = ["draw_map"]


def draw_map(
    data: Annotated[
        Path, typer.Argument(help="Photos (with --model), or embeddings: .parquet or .npy.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("map.html"),
    method: Annotated[str, typer.Option("--method", help="tsne, pca or umap.")] = "tsne",
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=3, help="At most so many photos.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws them, and the layout.")] = 0,
    root: Root = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Lay embeddings out on a plane, coloured by identity, with the photos on hover: one page.

    Example: likewise map photos/ --model runs/photos/model --out map.html
    """
    import numpy as np

    from likewise.cli.source import embeddings_of
    from likewise.data.embeddings import Embeddings
    from likewise.errors import InputError
    from likewise.lab.map.layout import METHODS, lay_out
    from likewise.lab.map.page import MOST, write_map

    if out.suffix.lower() != ".html":
        raise InputError(f"--out {out}: a map is written as .html")
    if method not in METHODS:
        raise InputError(f"--method {method}: choose from: {', '.join(METHODS)}")
    if limit > MOST:
        raise InputError(f"--limit {limit}: a page holds at most {MOST:,} photos")
    source = embeddings_of(
        data, model, ids=ids, root=root, device=device, flip=False, policy=BadImagePolicy.skip
    )
    found = source.embeddings
    if len(found) > limit:
        rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:limit])
        note(f"{limit:,} of {len(found):,} photos, drawn by seed {seed}; more with --limit")
        found = Embeddings(found.vectors[rows], found.items.take(rows), found.fingerprint)
    places = lay_out(found.vectors, method, seed=seed)
    named = source.settings.get("model")
    title = f"{data.name}{f' with {named}' if named else ''}, by {method}"
    page = write_map(found, places, out, source.photos, title=title)
    if as_json:
        print_json({"page": str(page), "points": len(found), "method": method})
    else:
        print_bad(source.bad)
        typer.echo(f"map: {page} ({len(found):,} points)")
