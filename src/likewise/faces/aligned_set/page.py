"""The page of an aligned set: photos with several faces, with none, and broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.faces.aligned_set.outcome import BROKEN, NONE, SEVERAL, Outcome
from likewise.faces.aligned_set.report import AlignmentReport
from likewise.faces.choice import KEEP
from likewise.pages.environment import render
from likewise.pages.pictures import data_uri, jpeg
from likewise.storage import write_text

__all__ = ["PAGE", "write_page"]

PAGE = "alignment.html"
SHOWN = 48  # photos of each kind
SIDE = 160  # pixels of a thumbnail
TAKEN, OTHER = (22, 163, 74), (220, 38, 38)  # colours of the boxes


@dataclass(frozen=True)
class Picture:
    """A photo or a crop on the page: its data URI, its name, and a line below it."""

    source: str
    name: str
    line: str


def write_page(report: AlignmentReport, manifest: Manifest, folder: Path) -> Path:
    """Write ``alignment.html`` into the folder of the crops; returns its path.

    Args:
        report: what came of each photo.
        manifest: the photos.
        folder: of the crops.
    """
    counts = report.counts
    sections = []
    for status, title, text in (
        (SEVERAL, "Several faces", f"Taken: {KEEP[report.keep]} (green); the others are red. "
         "Nothing tells which of them is the person of the folder: look these over."),
        (NONE, "No face", "No crop was written for these photos."),
    ):  # fmt: skip
        if counts[status]:
            chosen = [o for o in report.outcomes if o.status == status][:SHOWN]
            pictures = [_photo(outcome, manifest) for outcome in chosen]
            sections.append((title, text, counts[status], pictures))
    crops = _evenly([o for o in report.outcomes if o.taken], SHOWN // 2)
    examples = [_crop(outcome, folder) for outcome in crops]
    sections.append(("Crops", "A sample, evenly from all photos.", report.crops, examples))
    html = render(
        "alignment",
        data=manifest.root.name,
        alignment=report.alignment,
        counts=counts,
        lines=report.lines(),
        sections=[section for section in sections if section[3]],
        broken=[o for o in report.outcomes if o.status == BROKEN][:SHOWN],
    )
    write_text(folder / PAGE, html)
    return folder / PAGE


def _evenly(outcomes: Sequence[Outcome], most: int) -> list[Outcome]:
    step = max(1, len(outcomes) // most)
    return list(outcomes[::step][:most])


def _photo(outcome: Outcome, manifest: Manifest) -> Picture:
    """A photo with the boxes of its faces."""
    line = f"{len(outcome.boxes)} faces" if outcome.boxes else outcome.reason
    try:
        image = decode(manifest.named(outcome.name))
    except BadImage as bad:  # it was removed since
        return Picture("", outcome.name, bad.reason)
    width, height = image.size
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    scale = (image.width / width, image.height / height)
    draw = ImageDraw.Draw(image)
    taken = {face.face for face in outcome.taken}
    for place, (x, y, w, h) in enumerate(outcome.boxes):
        corners = (x * scale[0], y * scale[1], (x + w) * scale[0], (y + h) * scale[1])
        draw.rectangle(corners, outline=TAKEN if place in taken else OTHER, width=2)
    return Picture(data_uri(jpeg(image)), outcome.name, line)


def _crop(outcome: Outcome, folder: Path) -> Picture:
    face = outcome.taken[0]
    try:
        image = decode(folder / face.file)
    except BadImage as bad:
        return Picture("", face.file, bad.reason)
    image.thumbnail((SIDE, SIDE))
    return Picture(data_uri(jpeg(image)), face.file, f"eyes {face.eye_distance:.0f} px apart")
