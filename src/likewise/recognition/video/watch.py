"""``likewise.watch``: who is in a video, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from likewise.arguments import check_count
from likewise.errors import InputError, first_few
from likewise.models.embedder import Embedder
from likewise.progress import progress
from likewise.recognition.galleries import open_gallery
from likewise.recognition.gallery import Gallery
from likewise.recognition.named import recognizer_of
from likewise.recognition.recognizer import Recognizer
from likewise.recognition.video.detection import FrameFaces
from likewise.recognition.video.frames import VideoFrames
from likewise.recognition.video.output import write_tables, write_watched
from likewise.recognition.video.result import Watched, clock
from likewise.recognition.video.session import Session
from likewise.storage import require_writable

__all__ = ["watch"]

SAME = 0.4  # the cosine of the same person where the model has no measured threshold
GROUPING_FMR = 1e-4  # a wrong merge of two people costs more than a track too many
SAVE_SECONDS = 60.0  # of work, after which the tables are written again


def watch(
    source: str | Path,
    gallery: Gallery | str | Path | None = None,
    *,
    model: str | Path | Embedder | Recognizer = "sface",
    fps: float | None = None,
    every: int | None = None,
    max_seconds: float | None = None,
    min_frames: int = 2,
    fpir: float | None = None,
    fmr: float | None = None,
    threshold: float | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    on_name: Callable[[float, str], None] | None = None,
) -> Watched:
    """Follow the faces of a video, and decide once for each track who it is.

    Ctrl-C ends the watching: what has been seen until then is decided on, written and returned.
    While it works, the tables in ``out`` are written about once a minute.

    Args:
        source: a video, ``camera:0``, a device such as ``/dev/video0``, or an address (``rtsp://``).
        gallery: people with names: a folder with one subfolder of photos for each, an index or
            embeddings with identities, or a ``Gallery``; None: tracks that show the same person
            get the same number.
        model: what embeds the faces: a name, a folder, an embedder or a recogniser.
        fps: frames to look at for each second of video; 5 by default.
        every: look at every n-th frame instead.
        max_seconds: stop after so many seconds of video.
        min_frames: leave out faces that were seen in fewer frames.
        fpir: the probability that a stranger is taken for anyone of the gallery; .01 by default.
        fmr: the false match rate of one comparison instead.
        threshold: the lowest score at which a track is named, instead.
        out: the folder for ``tracks.csv``, ``tracks.json`` and the contact sheet; None: no files.
        device: of a model that is loaded here: ``cpu``, ``cuda`` or ``auto``.
        on_name: called with the time and the name when a track gets a name of the gallery.

    Returns:
        The tracks, in the order of appearance; none if the video has no faces.

    Raises:
        InputError: an argument is wrong; the source is not there or not a video.
        LikewiseError: a camera does not answer, or the folder cannot be written.
        MissingExtra: the extra ``video`` or ``faces`` is not installed.

    Example:
        >>> watched = likewise.watch("door.mp4", "people/", out="watched/")  # doctest: +SKIP
        >>> [(track.name, track.start, track.end) for track in watched.tracks]  # doctest: +SKIP
        [('anna', 0.0, 4.2), ('unknown', 3.8, 9.0)]
    """
    check_count("min_frames", min_frames)
    folder = None if out is None else Path(out)
    if folder is not None:
        require_writable(folder)
    # The video first: what is wrong with it shows before a model is loaded.
    with VideoFrames(source, fps=fps, every=every, max_seconds=max_seconds) as frames:
        recognizer = recognizer_of(model, device=device)
        people, notes = _people(gallery, recognizer, fpir, fmr, threshold)
        session = Session(
            FrameFaces(recognizer.finder),
            recognizer.embed,
            people,
            same=_same(recognizer.embedder),
            min_frames=min_frames,
            on_name=on_name,
        )
        began, interrupted = time.monotonic(), False

        def seen() -> Watched:
            return Watched(
                video=frames.name,
                tracks=tuple(session.results()),
                seconds=frames.seconds,
                frames=frames.taken,
                decoded=frames.decoded,
                damaged=frames.damaged,
                cuts=session.cuts,
                left_out=session.left_out,
                elapsed=time.monotonic() - began,
                ended_early=frames.ended_early,
                interrupted=interrupted,
                live=frames.live,
                gallery=people is not None,
                gallery_notes=notes,
            )

        def save() -> None:
            if folder is not None:
                write_tables(seen(), folder)

        try:
            _look_at_all(frames, session, save)
        except KeyboardInterrupt:
            interrupted = True
        watched = seen()
    if folder is not None:
        write_watched(watched, folder)
    return watched


def _look_at_all(frames: VideoFrames, session: Session, save: Callable[[], None]) -> None:
    saved = time.monotonic()
    with progress("watching", total=frames.expected or 0, unit="frames") as advance:
        for frame in frames:
            session.look(frame)
            advance(1)
            advance.show(f"{clock(frame.time)}, {session.tracks:,} tracks")
            if time.monotonic() - saved > SAVE_SECONDS:
                save()
                saved = time.monotonic()


def _people(
    gallery: Gallery | str | Path | None,
    recognizer: Recognizer,
    fpir: float | None,
    fmr: float | None,
    threshold: float | None,
) -> tuple[Gallery | None, tuple[str, ...]]:
    """The gallery, and what is to be said of the photos of its folder."""
    if not isinstance(gallery, str | Path):
        if any(rate is not None for rate in (fpir, fmr, threshold)):
            need = "need a gallery; give one"
            why = need if gallery is None else "were chosen when the gallery was made"
            raise InputError(f"fpir, fmr, threshold: {why}")
        return gallery, ()
    opened = open_gallery(gallery, recognizer, fpir=fpir, fmr=fmr, threshold=threshold)
    report = opened.report
    notes = []
    if report is not None:
        if report.without_face:
            notes.append(
                f"{gallery}: people without a usable face: {len(report.without_face):,}, "
                f"{first_few(report.without_face)}"
            )
        unused = len(report.no_face) + len(report.broken) + len(report.twice)
        if unused:
            notes.append(
                f"{gallery}: {unused:,} photos were left out ({len(report.no_face):,} without a "
                f"face, {len(report.broken):,} broken, {len(report.twice):,} under two people)"
            )
    return opened.gallery, tuple(notes)


def _same(embedder: Embedder) -> float:
    """The cosine from which two crops show the same person: measured, if it was."""
    points = embedder.operating_points
    strict = [point for point in points if point.fmr <= GROUPING_FMR * 1.01]
    if strict:
        return max(strict, key=lambda point: point.fmr).threshold
    return max((point.threshold for point in points), default=SAME)
