"""``likewise cluster``: group the faces of photos by person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table
from likewise.errors import first_few

if TYPE_CHECKING:
    from likewise.recognition.albums.albums import Albums
    from likewise.recognition.albums.update import AlbumsRun

__all__ = ["cluster"]

SHOWN = 12  # groups in the table


def cluster(
    photos: Annotated[
        Path | None,
        typer.Argument(metavar="PHOTOS", help="A folder with photos at any depth."),
    ] = None,
    out: options.Out = Path("albums"),
    model: options.Model = "sface",
    threshold: options.Threshold = None,
    fmr: options.FmrOrNone = None,
    allow_same_photo: Annotated[
        bool,
        typer.Option(
            "--allow-same-photo",
            help="Allow two faces of one photo in a group, as in a collage or a mirror.",
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Find and embed all faces anew; the names of groups stay."),
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name a group, like 3=Anna; 3= unnames it; repeatable."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            "--join", help="Merge groups into the first one, like 4,7 or Anna,7; repeatable."
        ),
    ] = None,
    split_off: Annotated[
        list[str] | None,
        typer.Option(
            "--split-off", help="Make faces of a group a new one, like 3:12,19; repeatable."
        ),
    ] = None,
    not_this: Annotated[
        list[str] | None,
        typer.Option("--not", help="Take faces out of a group for good, like 3:12,19; repeatable."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last edit.")] = False,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Group the faces of photos by person, and write a page on which you can name the groups.

    Run it again with more photos: they join the groups, and names, merges and splits stay. Without
    PHOTOS, only the edits are done. Photos may be renamed and moved; nothing is written into their
    folder. An interrupted run is continued.

    Example: likewise cluster photos/ --out albums
    """
    from likewise.errors import InputError
    from likewise.recognition.albums.albums import read_albums
    from likewise.recognition.albums.edit import edit_albums
    from likewise.recognition.albums.update import cluster_photos

    edits = [*(name or ()), *(merge or ()), *(split_off or ()), *(not_this or ())]
    if undo and edits:
        raise InputError("--undo: give it alone; it takes back the edit of an earlier command")
    if photos is None and not (undo or edits):
        raise InputError(
            "PHOTOS: missing; give the folder of photos, or an edit: --name, --join, --split-off, "
            "--not or --undo"
        )
    if photos is None:
        _refuse_without_photos(
            {"--threshold": threshold, "--fmr": fmr, "--allow-same-photo": allow_same_photo or None,
             "--again": again or None}
        )  # fmt: skip
    run, undone = None, None
    if undo:
        undone = next((str(edit["what"]) for edit in read_albums(out).groups.edits[-1:]), None)
    if undo or edits:
        albums = edit_albums(
            out,
            names=_names(name or ()),
            merge=[_groups(text) for text in merge or ()],
            split_off=[_faces("--split-off", text) for text in split_off or ()],
            not_this=[_faces("--not", text) for text in not_this or ()],
            undo=int(undo),
        )
    if photos is not None:
        run = cluster_photos(
            photos, out, model=model, threshold=threshold, fmr=fmr,
            allow_same_photo=allow_same_photo, again=again, device=device,
        )  # fmt: skip
        albums = run.albums
    page = out / "index.html"
    if as_json:
        print_json(_json(albums, run, page, undone))
        return
    if undone is not None:
        note(f"taken back: {undone}")
    if run is not None:
        _tell(run)
    groups = albums.groups.biggest_first()
    print_table(
        f"{len(groups):,} group{'s' * (len(groups) != 1)}",
        ("group", "faces", "number"),
        [(g.title, f"{len(g.faces):,}", str(g.number)) for g in groups[:SHOWN]],
    )
    if len(groups) > SHOWN:
        note(f"… and {len(groups) - SHOWN:,} smaller groups")
    typer.echo(f"look at them, and name them: {page}")


def _refuse_without_photos(options: Mapping[str, object]) -> None:
    """Refuse the options of grouping in a command that only edits."""
    from likewise.errors import InputError

    for option, value in options.items():
        if value is not None:
            raise InputError(f"{option}: is for grouping; give PHOTOS too, the folder of photos")


def _names(texts: Iterable[str]) -> dict[int | str, str]:
    from likewise.errors import InputError

    names: dict[int | str, str] = {}
    for text in texts:
        group, equals, value = text.partition("=")
        group = group.strip()
        if not equals or not group:
            raise InputError(f"--name {text}: must be like 3=Anna")
        if group in names:
            raise InputError(f"--name {group}: given twice; give each group one name")
        names[group] = value
    return names


def _groups(text: str) -> list[int | str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _faces(option: str, text: str) -> tuple[str, list[int]]:
    from likewise.errors import InputError

    group, _, listed = text.rpartition(":")
    numbers = [part.strip() for part in listed.split(",") if part.strip()]
    if not group.strip() or not numbers or not all(n.isdecimal() for n in numbers):
        raise InputError(f"{option} {text}: must be a group and its faces, like 3:12,19")
    return group.strip(), [int(number) for number in numbers]


def _tell(run: AlbumsRun) -> None:
    """What happened to the photos, and what was left out."""
    if run.left_out:
        note(run.left_out)
    for photo in run.broken[:10]:
        note(f"left out: {photo.path}: {photo.reason}")
    if len(run.broken) > 10:
        note(f"… and {len(run.broken) - 10:,} more broken photos")
    parts = [f"{run.photos:,} photos", f"{run.new:,} new"]
    for count, what in ((run.moved, "moved"), (run.forgotten, "deleted and forgotten"),
                        (run.copies, "copies"), (len(run.broken), "broken"),
                        (len(run.without_faces), "without a face")):  # fmt: skip
        if count:
            parts.append(f"{count:,} {what}")
    typer.echo(", ".join(parts))
    typer.echo(f"{run.faces:,} faces, {run.grouped:,} of them in groups")
    if run.threshold_before not in (None, run.threshold):
        note(
            f"threshold {run.threshold:g}, before {run.threshold_before:g}: groups that are there "
            "may grow, but are not taken apart; to group all anew, give another --out"
        )
    if run.lost:
        note(f"all photos of {first_few(run.lost)} are gone; forgotten with them")
    if run.repeated:
        more = f" and {len(run.repeated) - 1:,} more" if len(run.repeated) > 1 else ""
        note(
            f"one person seems to be twice in {run.repeated[0]}{more}; if these are collages: "
            "--allow-same-photo"
        )


def _json(
    albums: Albums, run: AlbumsRun | None, page: Path, undone: str | None
) -> dict[str, object]:
    found: dict[str, object] = {
        "page": str(page),
        "groups": [
            {"number": g.number, "name": g.name, "faces": sorted(g.faces)}
            for g in albums.groups.biggest_first()
        ],
        "undone": undone,
    }
    if run is not None:
        found |= {
            "threshold": run.threshold,
            "threshold_before": run.threshold_before,
            "photos": run.photos,
            "new": run.new,
            "moved": run.moved,
            "forgotten": run.forgotten,
            "lost": run.lost,
            "copies": run.copies,
            "faces": run.faces,
            "grouped": run.grouped,
            "without_faces": run.without_faces,
            "bad_images": [{"path": one.path, "reason": one.reason} for one in run.broken],
            "repeated_in_photo": run.repeated,
            "left_out": run.left_out,
        }
    return found
