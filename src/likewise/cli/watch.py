"""``likewise watch``: follow the faces of a video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from likewise.recognition.video.result import TrackResult, Watched

__all__ = ["watch"]

MOST_ROWS = 50  # of the table on the terminal


def watch(
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO",
            help="A video, camera:0, a device like /dev/video0, or an address like rtsp://…",
        ),
    ],
    gallery: options.GalleryOrNone = None,
    model: options.Model = "sface",
    fpir: options.Fpir = None,
    fmr: options.FmrOrNone = None,
    threshold: options.Threshold = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", help="Frames to look at for each second of video; 5 by default."),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option("--every", min=1, help="Look at every n-th frame instead of --fps."),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option("--max-seconds", help="Stop after this many seconds of video."),
    ] = None,
    min_frames: Annotated[
        int,
        typer.Option("--min-frames", min=1, help="Leave out faces seen in fewer frames."),
    ] = 2,
    out: options.OutOrNone = None,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Follow the faces of a video or a camera, and decide once for each who it is.

    With --gallery each track gets a name or is unknown; without it, tracks of the same person get
    the same number. Ctrl-C ends the watching: what was seen until then is decided on and written.

    Example: likewise watch door.mp4 --gallery people/ --out watched
    """
    from likewise.recognition.video.result import clock
    from likewise.recognition.video.watch import watch as watch_video

    watched = watch_video(
        video,
        gallery,
        model=model,
        fps=fps,
        every=every,
        max_seconds=max_seconds,
        min_frames=min_frames,
        fpir=fpir,
        fmr=fmr,
        threshold=threshold,
        out=out,
        device=device,
        on_name=lambda time, name: note(f"{clock(time)} {name}"),
    )
    if as_json:
        print_json(watched.record)
    else:
        _print_watched(watched)
    if out is not None:
        note(f"tracks.csv, tracks.json and contact_sheet.html are in {out}")
    if watched.interrupted and not watched.live:
        raise KeyboardInterrupt  # a file was not seen to its end; a camera has none


def _print_watched(watched: Watched) -> None:
    """The tracks as a table, and what was looked at."""
    from likewise.recognition.video.result import clock

    if watched.tracks:
        print_table(
            watched.video,
            ("name", "track", "from", "to", "frames", "score", "probability"),
            [
                (
                    track.name,
                    str(track.track),
                    clock(track.start),
                    clock(track.end),
                    f"{track.frames:,}",
                    "–" if track.score is None else f"{track.score:.3f}",
                    _probability(track),
                )
                for track in watched.tracks[:MOST_ROWS]
            ],
        )
    if len(watched.tracks) > MOST_ROWS:
        note(f"… and {len(watched.tracks) - MOST_ROWS:,} more tracks")
    for line in watched.summary():
        typer.echo(line)


def _probability(track: TrackResult) -> str:
    from likewise.models.calibration import probability_text

    known = track.known and track.probability is not None
    return probability_text(track.probability or 0.0) if known else "–"
