"""``likewise map``: draw a map of embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_bad_images, print_json

__all__ = ["draw_map"]


def draw_map(
    data: options.PhotosOrEmbeddings,
    model: options.ModelOrNone = None,
    out: options.Out = Path("map.html"),
    projection: Annotated[
        str, typer.Option("--projection", help="Projection to two dimensions: tsne, pca or umap.")
    ] = "tsne",
    ids: options.Ids = None,
    max_photos: Annotated[
        int,
        typer.Option(
            "--max-photos", min=3, help="Maximum number of photos; above it, a random sample."
        ),
    ] = 2000,
    seed: options.Seed = 0,
    root: options.Root = None,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Draw a two-dimensional map of embeddings, colored by identity, with the photos on hover.

    The map is one HTML page that works offline.

    Example: likewise map photos/ --model runs/photos/model --out map.html
    """
    import numpy as np

    from likewise.arguments import one_of
    from likewise.cli.inputs import read_or_embed
    from likewise.errors import InputError
    from likewise.lab.map.page import MAX_POINTS, write_map
    from likewise.lab.map.projection import PROJECTIONS, project

    if out.suffix.lower() != ".html":
        raise InputError(f"--out {out}: must end in .html")
    one_of("--projection", projection, PROJECTIONS)
    if max_photos > MAX_POINTS:
        raise InputError(f"--max-photos {max_photos}: a page holds at most {MAX_POINTS:,} photos")
    source = read_or_embed(data, model, ids=ids, root=root, device=device)
    found = source.embeddings
    if len(found) > max_photos:
        rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:max_photos])
        note(f"a sample of {max_photos:,} of {len(found):,} photos; see --max-photos")
        found = replace(found, vectors=found.vectors[rows], items=found.items.take(rows))
    points = project(found.vectors, projection, seed=seed)
    model_name = source.settings.get("model")
    title = f"{data.name}{f' with {model_name}' if model_name else ''}, by {projection}"
    page = write_map(found, points, out, source.photos, title=title)
    if as_json:
        print_json({"page": str(page), "points": len(found), "method": projection})
    else:
        print_bad_images(source.bad)
        typer.echo(f"map: {page} ({len(found):,} points)")
