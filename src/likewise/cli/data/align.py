"""``likewise data align``: find the faces of a set of photos, and write them aligned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json

if TYPE_CHECKING:
    from likewise.faces.aligned_set.report import AlignmentReport

__all__ = ["align"]


def align(
    data: options.Photos,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the aligned crops.")],
    template: Annotated[
        str,
        typer.Option(
            "--template", help="Where the five points come to lie: arcface, arcface128, ffhq, dlib."
        ),
    ] = "arcface",
    size: Annotated[
        int | None,
        typer.Option(
            "--crop-size",
            min=16,
            max=1024,
            help="Side of the crops in pixels; by default that of the template.",
        ),
    ] = None,
    detector: options.DetectorName = "yunet",
    keep: Annotated[
        str,
        typer.Option(
            "--faces",
            help="Which of several faces are taken: main (large and near the middle), largest, "
            "central, clearest (the fewest reasons against it), or all.",
        ),
    ] = "main",
    png: Annotated[bool, typer.Option("--png", help="Write PNG files, not JPEG.")] = False,
    resume: options.Resume = False,
    processes: options.Processes = 1,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Find the face in each photo, and write it aligned into OUT, a folder of identities.

    The names stay. OUT also receives alignment.html (the photos with several faces, with none, and
    the broken ones), alignment.csv and alignment.json. With --resume only photos that are new,
    changed or not done yet are aligned.

    Example: likewise data align photos/ aligned/ --processes 4
    """
    from likewise.arguments import one_of
    from likewise.errors import LikewiseError
    from likewise.faces.aligned_set.folder import align_photos
    from likewise.faces.aligned_set.page import PAGE
    from likewise.faces.aligned_set.settings import AlignSettings
    from likewise.faces.choice import KEEP

    one_of("--faces", keep, KEEP)
    settings = AlignSettings(template, size, detector, keep, "png" if png else "jpeg")
    report = align_photos(data, out, settings, root=root, resume=resume, processes=processes)
    if as_json:
        print_json({"out": str(out), "page": str(out / PAGE), **report.to_dict()})
    else:
        _tell(report, out)
    if not report.crops:
        raise LikewiseError(f"{data}: no face in any of the {len(report.outcomes):,} photos")


def _tell(report: AlignmentReport, out: Path) -> None:
    """Print what came of the photos."""
    from likewise.faces.aligned_set.page import PAGE

    for bad in report.left_out[:10]:
        note(f"left out: {bad}")
    if len(report.left_out) > 10:
        note(f"… and {len(report.left_out) - 10:,} more")
    for line in report.lines():
        typer.echo(line)
    typer.echo(f"crops: {out}, page: {out / PAGE}")
