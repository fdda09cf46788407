"""The map as one page that needs nothing else: points by identity, their photos on hover."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.data.embeddings import Embeddings
from likewise.data.manifest import Manifest
from likewise.errors import InputError, MissingExtra
from likewise.evaluation.report.page import thumbnail
from likewise.pages.environment import render
from likewise.progress import progress
from likewise.storage import write_text

__all__ = ["MOST", "write_map"]

MOST = 5000  # points, each with its photo: a page of some ten megabytes
NAMED = 20  # identities with a mark, a name on the map and a legend entry of their own
SIDE = 56
# Ten hues that are far from each other and from white, each in two forms: twenty near-equal
# shades could not be told apart.
PALETTE = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#7b3fc4",
    "#7a4a2b", "#f06ebf", "#a8a800", "#12c4d6", "#111827",
)  # fmt: skip
FORMS = ("circle", "diamond")
MARKS = [(color, form) for form in FORMS for color in PALETTE]
OTHERS = "#94a3b8"


def write_map(
    embeddings: Embeddings,
    places: NDArray[np.float32],
    path: Path,
    photos: Manifest | Path | None = None,
    *,
    title: str = "A map of embeddings",
) -> Path:
    """Write the page; the most frequent identities have a colour and a name, the others are grey.

    Args:
        embeddings: N of them, with names, and identities where they are known.
        places: float32 [N,2], from ``lay_out``.
        path: the ``.html`` file.
        photos: the photos, or the folder that their names start from; without them a point shows
            its name alone.
        title: what stands above it.

    Raises:
        InputError: the counts differ, or there are more than 5,000 points.
        MissingExtra: plotly is not installed.
    """
    if len(places) != len(embeddings):
        raise InputError(f"map: {len(places)} places for {len(embeddings)} embeddings")
    if len(places) > MOST:
        raise InputError(f"map: {len(places):,} points; a page holds {MOST:,}; use --limit")
    names = embeddings.names
    identities = _identities(embeddings)
    html = render(
        "map",
        title=title,
        plotly=_plotly(),
        # A closing tag within a name must not end the script.
        data=json.dumps(
            {
                "traces": _traces(names, identities, places),
                "photos": _thumbnails(names, photos),
            },
            ensure_ascii=False,
        ).replace("<", "\\u003c"),
    )
    write_text(path, html)
    return path


def _identities(embeddings: Embeddings) -> list[str]:
    if "identity" not in embeddings.items.column_names:
        return [""] * len(embeddings)
    found: list[str] = embeddings.items["identity"].to_pylist()
    return found


def _traces(
    names: list[str], identities: list[str], places: NDArray[np.float32]
) -> list[dict[str, object]]:
    """One set of points for each identity that has a colour, and one for all others."""
    frequent = [name for name, _ in Counter(identities).most_common(NAMED) if name]
    marks = dict(zip(frequent, MARKS, strict=False))
    rows: dict[str, list[int]] = {name: [] for name in ["", *sorted(frequent)]}
    for row, identity in enumerate(identities):
        rows[identity if identity in marks else ""].append(row)
    rest = "all" if not frequent else "others"
    return [
        {
            "name": identity or rest,
            "color": marks.get(identity, (OTHERS, "circle"))[0],
            "form": marks.get(identity, (OTHERS, "circle"))[1],
            "at": _label_place(places[chosen]) if identity else None,
            "x": [round(float(v), 4) for v in places[chosen, 0]],
            "y": [round(float(v), 4) for v in places[chosen, 1]],
            "label": [
                f"{identities[r]} · {names[r]}" if identities[r] else names[r] for r in chosen
            ],
            "row": chosen,
        }
        for identity, chosen in rows.items()
        if chosen
    ]


def _label_place(places: NDArray[np.float32]) -> list[float]:
    """Where the name of a cluster stands: above its middle, on its highest point but for strays."""
    middle = np.median(places, axis=0)
    close = np.argsort(np.linalg.norm(places - middle, axis=1))[: max(1, round(0.8 * len(places)))]
    return [round(float(middle[0]), 4), round(float(places[close, 1].max()), 4)]


def _thumbnails(names: list[str], photos: Manifest | Path | None) -> list[str]:
    if photos is None:
        return []
    found = []
    with progress("photos", len(names)) as advance:
        for name in names:
            photo = photos.named(name) if isinstance(photos, Manifest) else photos / name
            found.append(thumbnail(photo, SIDE))
            advance(1)
    return found


def _plotly() -> str:
    """Plotly's own script, so that the page works without a network."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtra("the map", "map") from error
    script: str = get_plotlyjs()
    return script
