"""``likewise faces``: find the faces of photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.drawn_photos import drawn_folder, save_picture
from likewise.cli.face_json import face_json, rounded
from likewise.cli.output import (
    bad_images_json,
    note,
    print_bad_images,
    print_json,
    print_table,
    require_photos,
)
from likewise.cli.photo_files import photo_files

if TYPE_CHECKING:
    from likewise.data.images import BadImage
    from likewise.faces.face import Face
    from likewise.faces.finder import PhotoFaces

__all__ = ["faces"]

RECORD = "faces.json"  # of the folder --out
COLUMNS = ("face", "box (x, y, width, height)", "score", "points", "turn", "eyes", "reasons")


def faces(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders with photos.")
    ],
    out: options.OutOrNone = None,
    crops: Annotated[
        bool, typer.Option("--crops", help="Also write the aligned crops, below the folder --out.")
    ] = False,
    detector: options.DetectorName = "yunet",
    all_scales: Annotated[
        bool,
        typer.Option("--all-scales", help="Look at more sizes of each photo: finds smaller faces."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Find the faces of photos: where they are, how they are turned, and how good they are.

    For each face: its box in pixels of the upright photo, the score of the detector, the score of
    its five points, the turn in degrees clockwise, the pixels between the eyes, and what makes it
    hard to recognise. A photo without a face says why.

    With --out, copies with boxes and points drawn in, and faces.json, are written into a folder.

    Example: likewise faces party.jpg --out found
    """
    from likewise.data.images import BadImage
    from likewise.errors import InputError, LikewiseError
    from likewise.faces.explain import why_no_face
    from likewise.faces.finder import FaceFinder
    from likewise.progress import progress

    if crops and out is None:
        raise InputError("--crops: needs --out FOLDER, the folder to write them into")
    require_photos(photos)
    files = photo_files(photos)
    finder = FaceFinder(detector=detector, scales="all" if all_scales else "auto")
    writer = None if out is None else _Writer(out, files, crops=crops)
    bad: list[BadImage] = []
    record: list[dict[str, Any]] = []
    with progress("finding faces", len(files), "photos") as advance:
        for file, found in zip(files, finder.examine_many(files), strict=True):
            if isinstance(found, BadImage):
                bad.append(found)
            else:
                why = why_no_face(found, all_scales=all_scales)
                record.append(_as_json(file, found, why))
                if writer is not None:
                    record[-1] |= writer.write(file, found.faces)
                if not as_json:
                    _tell(file, found, why)
            advance(1)
    result = {
        "alignment": finder.alignment,
        "finished": True,
        "photos": record,
        "broken": bad_images_json(bad),
    }
    if writer is not None:
        writer.record(result)
    if as_json:
        print_json(result)
    else:
        _sum_up(record, out)
        print_bad_images(bad)
    if len(bad) == len(files):
        raise LikewiseError("none of the photos can be read")


def _as_json(file: Path, found: PhotoFaces, why: str) -> dict[str, Any]:
    return {
        "path": str(file),
        "size": list(found.size),
        "no_face": why or None,
        "faces": [face_json(face) for face in found.faces],
        "rejected": [
            {
                "box": rounded(one.box),
                "score": round(one.score, 4),
                "landmark_score": round(one.landmark_score, 4),
                "reason": one.reason,
            }
            for one in found.rejected
        ],
    }


def _tell(file: Path, found: PhotoFaces, why: str) -> None:
    """Print the faces of a photo."""
    if why:
        typer.echo(f"{file}: {why}")
        return
    count = len(found.faces)
    rows = [
        (
            str(number),
            ", ".join(f"{value:.0f}" for value in face.box),
            f"{face.score:.2f}",
            f"{face.landmark_score:.2f}",
            f"{face.turn:.0f}°",
            f"{face.eye_distance:.0f} px",
            "; ".join(face.reasons),
        )
        for number, face in enumerate(found.faces, 1)
    ]
    print_table(f"{file}: {count} face{'s' * (count > 1)}", COLUMNS, rows)


def _sum_up(record: Sequence[dict[str, Any]], out: Path | None) -> None:
    if len(record) > 1:
        found = sum(len(photo["faces"]) for photo in record)
        without = sum(not photo["faces"] for photo in record)
        note(f"{found:,} faces in {len(record):,} photos; {without:,} without a face")
    if out is not None:
        note(f"written: {out}")


class _Writer:
    """The folder --out: a copy of each photo with its faces drawn in, their crops, and a record."""

    def __init__(self, out: Path, files: Sequence[Path], *, crops: bool) -> None:
        self.out, self._names = out, drawn_folder(out, files, RECORD)
        self.crops = crops
        self.record({"finished": False, "photos": []})  # what lies here from now on is of this run

    def write(self, file: Path, found: Sequence[Face]) -> dict[str, Any]:
        """Write the copy and the crops of one photo; returns their names for the record."""
        from PIL import Image

        from likewise.data.images import decode
        from likewise.faces.picture import framed_picture

        if not found:
            return {}
        name = self._names[file]
        save_picture(framed_picture(decode(file), found), self.out / f"{name}.jpg")
        names = [f"crops/{name}-{number}.png" for number in range(1, len(found) + 1)]
        if self.crops:
            for crop, face in zip(names, found, strict=True):
                save_picture(Image.fromarray(face.crop), self.out / crop)
        return {"drawn": f"{name}.jpg"} | ({"crops": names} if self.crops else {})

    def record(self, result: dict[str, Any]) -> None:
        """Write the record."""
        from likewise.storage import as_json, write_json

        write_json(self.out / RECORD, as_json(result))
