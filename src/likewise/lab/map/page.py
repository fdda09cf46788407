"""The HTML page of a map: points colored by identity, with their photos on hover."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.data.embeddings import Embeddings
from likewise.data.manifest import Manifest
from likewise.errors import InputError, MissingExtra
from likewise.pages.environment import render
from likewise.pages.pictures import thumbnail
from likewise.progress import progress
from likewise.storage import write_text

__all__ = ["MAX_POINTS", "write_map"]

MAX_POINTS = 5000  # with their photos these make a page of about ten megabytes
NAMED = 20  # most frequent identities: each has a mark, a name on the map and a legend entry
THUMBNAIL = 56  # pixels
# Ten colors that differ well from each other and from white, each with two symbols: twenty colors
# could not be told apart.
PALETTE = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#7b3fc4",
    "#7a4a2b", "#f06ebf", "#a8a800", "#12c4d6", "#111827",
)  # fmt: skip
SYMBOLS = ("circle", "diamond")
MARKS = [(color, symbol) for symbol in SYMBOLS for color in PALETTE]
GRAY = "#94a3b8"  # of all other identities


def write_map(
    embeddings: Embeddings,
    points: NDArray[np.float32],
    path: Path,
    photos: Manifest | Path | None = None,
    *,
    title: str = "A map of embeddings",
) -> Path:
    """Write the page; the most frequent identities have a color and a name, the others are gray.

    Args:
        embeddings: N embeddings with names, and with identities if known.
        points: float32 [N,2], from ``project``.
        path: the ``.html`` file.
        photos: the photos, or the folder that their names are relative to; if None, a point
            shows only its name.
        title: the heading.

    Raises:
        InputError: the counts differ, or there are more than 5,000 points.
        MissingExtra: plotly is not installed.
    """
    if len(points) != len(embeddings):
        raise InputError(f"map: {len(points)} points for {len(embeddings)} embeddings")
    if len(points) > MAX_POINTS:
        raise InputError(
            f"map: {len(points):,} points; a page holds at most {MAX_POINTS:,}; use --max-photos"
        )
    names = embeddings.names
    identities = _identities(embeddings)
    html = render(
        "map",
        title=title,
        plotly=_plotly(),
        # A closing tag in a name must not end the script element.
        data=json.dumps(
            {
                "traces": _traces(names, identities, points),
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
    names: list[str], identities: list[str], points: NDArray[np.float32]
) -> list[dict[str, object]]:
    """One Plotly trace for each frequent identity, and one for all others."""
    frequent = [name for name, _ in Counter(identities).most_common(NAMED) if name]
    marks = dict(zip(frequent, MARKS, strict=False))
    rows: dict[str, list[int]] = {name: [] for name in ["", *sorted(frequent)]}
    for row, identity in enumerate(identities):
        rows[identity if identity in marks else ""].append(row)
    rest_name = "all" if not frequent else "others"
    return [
        {
            "name": identity or rest_name,
            "color": marks.get(identity, (GRAY, "circle"))[0],
            "form": marks.get(identity, (GRAY, "circle"))[1],
            "at": _label_position(points[chosen]) if identity else None,
            "x": [round(float(v), 4) for v in points[chosen, 0]],
            "y": [round(float(v), 4) for v in points[chosen, 1]],
            "label": [
                f"{identities[r]} · {names[r]}" if identities[r] else names[r] for r in chosen
            ],
            "row": chosen,
        }
        for identity, chosen in rows.items()
        if chosen
    ]


def _label_position(points: NDArray[np.float32]) -> list[float]:
    """The position of a cluster's name: above its median, at its highest point without outliers."""
    median = np.median(points, axis=0)
    nearest = np.argsort(np.linalg.norm(points - median, axis=1))
    core = nearest[: max(1, round(0.8 * len(points)))]
    return [round(float(median[0]), 4), round(float(points[core, 1].max()), 4)]


def _thumbnails(names: list[str], photos: Manifest | Path | None) -> list[str]:
    if photos is None:
        return []
    found = []
    with progress("photos", len(names)) as advance:
        for name in names:
            photo = photos.named(name) if isinstance(photos, Manifest) else photos / name
            found.append(thumbnail(photo, THUMBNAIL))
            advance(1)
    return found


def _plotly() -> str:
    """Plotly's JavaScript, which the page contains so that it works offline."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtra("the map", "map") from error
    script: str = get_plotlyjs()
    return script
