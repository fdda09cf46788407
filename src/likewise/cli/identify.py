"""``likewise identify``: name the faces of photos."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.drawn_photos import drawn_folder, save_picture
from likewise.cli.output import note, print_json, require_photos
from likewise.cli.photo_files import photo_files
from likewise.errors import first_few

if TYPE_CHECKING:
    from likewise.recognition.identification import IdentifiedFace, IdentifiedPhoto

__all__ = ["identify"]

TABLE = "faces.csv"
COLUMNS = (
    "photo", "face", "name", "score", "probability", "gallery_photo", "second", "second_score",
    "x", "y", "width", "height", "quality", "note",
)  # fmt: skip


def identify(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders with photos.")
    ],
    gallery: options.Gallery,
    model: options.Model = "sface",
    fpir: options.Fpir = None,
    fmr: options.FmrOrNone = None,
    threshold: options.Threshold = None,
    prior: options.Prior = 0.5,
    out: options.OutOrNone = None,
    flip: options.Flip = False,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Find the faces of photos, and name those of people in a gallery; the others are unknown.

    The gallery is a folder with one subfolder per person, and no other step is needed: its photos
    are embedded once, later runs embed what is new and forget what is gone. Nothing is written into
    it. Nobody is named twice in a photo.

    The threshold follows from the size of the gallery: each face is compared with every person, so
    the false match rate of one comparison is lowered until a stranger is named with the probability
    --fpir. --fmr sets the rate of one comparison instead.

    With --out, photos with names drawn in and faces.csv are written into a folder.

    Example: likewise identify new.jpg --gallery people/
    """
    from likewise.cli.recognized import gallery_json, tell_gallery
    from likewise.data.images import BadImage
    from likewise.errors import InputError, LikewiseError
    from likewise.models.loading import load
    from likewise.progress import progress
    from likewise.recognition.galleries import open_gallery
    from likewise.recognition.identification import identify_each
    from likewise.recognition.picture import named_picture
    from likewise.recognition.recognizer import Recognizer

    if not 0 < prior < 1:
        raise InputError(f"--prior: must be between 0 and 1; got {prior:g}")
    for option, rate in (("--fpir", fpir), ("--fmr", fmr)):
        if rate is not None and not 0 < rate < 1:
            raise InputError(f"{option}: must be between 0 and 1; got {rate:g}")
    if sum(value is not None for value in (fpir, fmr, threshold)) > 1:
        raise InputError("--fpir, --fmr and --threshold: give one of them")
    if threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"--threshold: a cosine is from -1 to 1; got {threshold:g}")
    require_photos(photos)
    files = photo_files(photos)
    drawn = {} if out is None else _drawn(out, files, gallery)
    recognizer = Recognizer(load(model, device=device), flip=flip)
    opened = open_gallery(
        gallery, recognizer, fpir=fpir, fmr=fmr, threshold=threshold, prior=prior
    )  # fmt: skip
    if not as_json:
        tell_gallery(opened.gallery, opened.report)
    told, table = _Told(), _Table()
    with progress("identifying", len(files), "photos") as advance:
        found = identify_each(files, opened.gallery, recognizer)
        for file, photo in zip(files, found, strict=True):
            told.add(photo, as_json=as_json)
            table.add(photo)
            if out is not None and not photo.problem:
                try:
                    save_picture(named_picture(file, photo), out / f"{drawn[file]}.jpg")
                except BadImage as bad:  # changed since
                    note(f"left out: {bad}")
            advance(1)
    if out is not None:
        table.write(out / TABLE)
    if as_json:
        known = gallery_json(str(gallery), opened.gallery, opened.report)
        print_json({"gallery": known, "photos": told.json})
    else:
        told.sum_up()
        if out is not None:
            note(f"written: {out} (photos with names, {TABLE})")
    if len(told.broken) == len(files):
        raise LikewiseError("none of the photos can be read")


def _drawn(out: Path, files: Sequence[Path], gallery: Path) -> dict[Path, str]:
    """``drawn_folder`` outside of the gallery, whose photos are read too."""
    from likewise.errors import InputError

    if gallery.is_dir() and out.resolve().is_relative_to(gallery.resolve()):
        raise InputError(f"--out {out}: holds the gallery; choose another folder")
    return drawn_folder(out, files, TABLE)


class _Table:
    """The faces as rows of a table, which is written at the end."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, photo: IdentifiedPhoto) -> None:
        """A row for each face; one for a photo without any, which says why."""
        for number, one in enumerate(photo.faces, 1):
            answer, second = one.answer, one.answer.second
            self._writer.writerow([
                photo.name, number, answer.name or "unknown", *map(_number, (answer.score,
                answer.probability)), answer.photo or "", second.name if second else "",
                _number(second.score if second else None),
                *(round(value) for value in one.face.face.box), _number(one.face.quality),
                "; ".join([answer.note, *one.poor]).strip("; "),
            ])  # fmt: skip
        if not photo.faces:
            why = photo.problem or photo.no_face
            self._writer.writerow([photo.name, *[""] * (len(COLUMNS) - 2), why])

    def write(self, path: Path) -> None:
        from likewise.storage import write_text

        write_text(path, self._text.getvalue())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


class _Told:
    """Tells of each photo as it is done, and keeps only what is told at the end: not the pixels."""

    def __init__(self) -> None:
        self.json: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self._empty: list[str] = []
        self._count = self._named = 0

    def add(self, photo: IdentifiedPhoto, *, as_json: bool) -> None:
        """Print the faces of a photo, or keep them for the JSON."""
        self._count += 1
        self._named += bool(photo.names)
        if photo.problem:
            self.broken.append(photo.name)
        elif photo.no_face:
            self._empty.append(photo.name)
        if as_json:
            self.json.append(_json(photo))
            return
        if not photo.faces:
            typer.echo(f"{photo.name}: {photo.problem or photo.no_face}")
            return
        several = f"{len(photo.faces)} faces, largest first"
        typer.echo(f"{photo.name}: {several if len(photo.faces) > 1 else '1 face'}")
        for number, one in enumerate(photo.faces, 1):
            typer.echo(f"  {number}: {_sentence(one)}")

    def sum_up(self) -> None:
        """Count the photos, on stderr."""
        if self._count < 2:
            return
        note(f"{self._count:,} photos: {self._named:,} with someone of the gallery")
        for names, what in ((self._empty, "without a face"), (self.broken, "broken")):
            if names:
                note(f"{len(names):,} {what}: {first_few(names)}")


def _json(photo: IdentifiedPhoto) -> dict[str, Any]:
    from likewise.cli.face_json import recognized_json
    from likewise.cli.recognized import answer_json

    return {
        "path": photo.name,
        "problem": photo.problem or photo.no_face or None,
        "faces": [
            answer_json(one.answer) | {"face": recognized_json(one.face, one.poor)}
            for one in photo.faces
        ],
    }


def _sentence(one: IdentifiedFace) -> str:
    from likewise.models.calibration import probability_text

    answer, second = one.answer, one.answer.second
    then = f"; then {second.name} {second.score:.3f}" if second else ""
    reasons = "".join(f"; {text}" for text in filter(None, (answer.note, *one.poor)))
    if answer.name is not None:
        sure = ""
        if answer.probability is not None:
            sure = f", probability {probability_text(answer.probability)}"
        return (
            f"{answer.name} (score {answer.score:.3f}{sure}; most like {answer.photo}{then})"
            f"{reasons}"
        )
    if answer.score is None:
        return f"unknown (the gallery is empty){reasons}"
    return f"unknown (most like {answer.photo}, score {answer.score:.3f}){reasons}"
