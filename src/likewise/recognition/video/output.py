"""The files of a watched video: a table, JSON, and a contact sheet as a picture and a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from likewise.models.calibration import probability_text
from likewise.pages.environment import render
from likewise.pages.pictures import data_uri
from likewise.recognition.video.result import UNKNOWN, TrackResult, Watched, clock
from likewise.storage import new_file, write_json, write_text

__all__ = ["contact_sheet", "write_tables", "write_watched"]

COLUMNS = ("track", "name", "probability", "score", "start", "end", "frames", "best_time",
           "best_x", "best_y", "best_width", "best_height", "photo", "reason")  # fmt: skip
MOST_PICTURES = 500  # of the page and the sheet, 5 kB each; the table has all tracks

CELL, FACE, MARGIN, ACROSS = 136, 112, 12, 8  # pixels of the sheet, and cells in a row
INK, SOFT, PAPER = "#0f172a", "#64748b", "#ffffff"


def write_watched(watched: Watched, folder: Path) -> list[Path]:
    """Write all files, each atomically; returns their paths.

    Args:
        watched: what was seen.
        folder: it is made if it is not there.

    Raises:
        LikewiseError: a file cannot be written.
    """
    shown = watched.tracks[:MOST_PICTURES]
    sheet, page = folder / "contact_sheet.jpg", folder / "contact_sheet.html"
    paths = write_tables(watched, folder)
    with new_file(sheet) as temporary:
        contact_sheet(shown).save(temporary, "JPEG", quality=90)
    write_text(page, _page(watched, shown))
    return [*paths, sheet, page]


def write_tables(watched: Watched, folder: Path) -> list[Path]:
    """Write ``tracks.csv`` and ``tracks.json`` alone."""
    table, record = folder / "tracks.csv", folder / "tracks.json"
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for track in watched.tracks:
        values = track.record
        x, y, width, height = values["best_box"]
        values |= {"best_x": x, "best_y": y, "best_width": width, "best_height": height}
        rows.writerow([_cell(values[column]) for column in COLUMNS])
    write_text(table, text.getvalue())
    write_json(record, watched.record)
    return [table, record]


def contact_sheet(tracks: Sequence[TrackResult]) -> Image.Image:
    """The best crop of each track with its name and times, eight in a row."""
    across = max(1, min(ACROSS, len(tracks)))
    down = -(-len(tracks) // across)
    width, height = CELL + MARGIN, CELL + 42
    size = (max(across * width + MARGIN, 200), max(down * height + MARGIN, 48))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    bold, small = ImageFont.load_default(14), ImageFont.load_default(12)
    if not tracks:
        pen.text((MARGIN, MARGIN), "no faces", SOFT, small)
    for place, track in enumerate(tracks):
        x, y = place % across * width + MARGIN, place // across * height + MARGIN
        with Image.open(io.BytesIO(track.picture)) as face:
            sheet.paste(face.resize((CELL, CELL), Image.Resampling.LANCZOS), (x, y))
        probability = "" if track.probability is None else f" {probability_text(track.probability)}"
        name = track.name + (probability if track.known else "")
        pen.text((x, y + CELL + 4), _fitting(pen, name, bold), INK if track.known else SOFT, bold)
        times = (
            f"{track.track} · {clock(track.start)} - {clock(track.end)}"  # its font has no en dash
        )
        pen.text((x, y + CELL + 22), _fitting(pen, times, small), SOFT, small)
    return sheet


def _fitting(
    pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    """The text as far as a cell is wide."""
    if pen.textlength(text, font) <= CELL:
        return text
    while text and pen.textlength(text + "…", font) > CELL:
        text = text[:-1]
    return text + "…"


def _cell(value: object) -> object:
    """A value of the table; a spreadsheet would take a name like "=1+1" for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def _page(watched: Watched, shown: Sequence[TrackResult]) -> str:
    people: dict[str, list[TrackResult]] = {}
    for track in sorted(shown, key=lambda track: track.name == UNKNOWN):  # those last
        people.setdefault(track.name, []).append(track)
    length = max(watched.seconds, 1e-9)
    return render(
        "watch",
        filters={"clock": clock, "percent": probability_text},
        watched=watched,
        summary=watched.summary(),
        shown=len(shown),
        people=[
            (
                name,
                [(track, data_uri(track.picture)) for track in tracks],
                [
                    (100 * t.start / length, max(0.4, 100 * (t.end - t.start) / length))
                    for t in tracks
                ],
                sum(track.end - track.start for track in tracks),
            )
            for name, tracks in people.items()
        ],
    )
