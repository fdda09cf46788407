"""The demo's second act: five photos identified against a folder of people, without training."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from likewise.data.images import decode
from likewise.data.manifest import Manifest
from likewise.recognition.galleries import open_gallery
from likewise.recognition.identification import IdentifiedPhoto, identify_each
from likewise.recognition.named import recognizer_of
from likewise.recognition.picture import named_picture
from likewise.storage import new_file

__all__ = ["Recognition", "recognise"]

MODEL = "sface"
ENROLLED = 5  # photos of each person in the gallery; the others are identified
STRANGERS = 4  # people who are not in the gallery
SHOWN = 5  # photos in the picture, the last one of a stranger
PEOPLE, PHOTOS, PICTURE = "people", "photos", "identify.png"


@dataclass(frozen=True)
class Recognition:
    """How well people were recognised without training.

    Args:
        gallery: the folder of people.
        known: photos of people in the gallery.
        named: how many of them got the right name.
        misnamed: how many got a wrong one.
        strangers: photos of people who are not in the gallery.
        mistaken: how many of them got a name.
        picture: five of the photos, each with the gallery photo most like it.
        command: that identifies the same photos.
    """

    gallery: Path
    known: int
    named: int
    misnamed: int
    strangers: int
    mistaken: int
    picture: Path
    command: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**vars(self), "gallery": str(self.gallery), "picture": str(self.picture)}


def recognise(test: Manifest, folder: Path) -> Recognition:
    """Identify photos against a gallery, with a network that somebody else has trained.

    Args:
        test: the photos, with identities; the last people are kept out of the gallery.
        folder: where the gallery, the photos and the picture are written.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
    """
    recognizer = recognizer_of(MODEL)
    gallery, truth = _write_photos(test, folder)
    opened = open_gallery(gallery, recognizer).gallery
    found = list(identify_each(list(truth), opened, recognizer))
    names = [photo.names[0] if photo.names else None for photo in found]
    inside = {path.name for path in gallery.iterdir()}
    answers = list(zip(truth.values(), names, strict=True))
    known = [(person, name) for person, name in answers if person in inside]
    strangers = [name for person, name in answers if person not in inside]
    _draw(_shown(truth, inside, dict(zip(truth, found, strict=True))), gallery, folder / PICTURE)
    return Recognition(
        gallery,
        known=len(known),
        named=sum(person == name for person, name in known),
        misnamed=sum(name is not None and person != name for person, name in known),
        strangers=len(strangers),
        mistaken=sum(name is not None for name in strangers),
        picture=folder / PICTURE,
        command=f"likewise identify {folder / PHOTOS} --gallery {gallery}",
    )


def _write_photos(test: Manifest, folder: Path) -> tuple[Path, dict[Path, str]]:
    """Copy the photos: a gallery, and those to be identified with the person on each."""
    gallery, photos = folder / PEOPLE, folder / PHOTOS
    for old in (gallery, photos):
        shutil.rmtree(old, ignore_errors=True)
    photos.mkdir(parents=True)
    identities = test.table["identity"].to_pylist()
    enrolled = test.identities[:-STRANGERS]
    seen = dict.fromkeys(test.identities, 0)
    truth: dict[Path, str] = {}
    for row, person in enumerate(identities):
        seen[person] += 1
        photo = Path(str(test.photo(row)))
        if seen[person] > ENROLLED:
            target = photos / f"{person}-{photo.name}"
            truth[target] = person
        elif person in enrolled:
            target = gallery / person / photo.name
        else:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, target)
    return gallery, truth


def _shown(
    truth: dict[Path, str], inside: set[str], found: dict[Path, IdentifiedPhoto]
) -> dict[Path, IdentifiedPhoto]:
    """The photos of the picture: the first of some people, and one of a stranger."""
    first: dict[str, Path] = {}
    for path, person in truth.items():
        first.setdefault(person, path)
    known = [path for person, path in first.items() if person in inside]
    stranger = [path for person, path in first.items() if person not in inside]
    step = max(1, len(known) // (SHOWN - 1))
    return {path: found[path] for path in [*known[::step][: SHOWN - 1], *stranger[:1]]}


def _draw(shown: dict[Path, IdentifiedPhoto], gallery: Path, path: Path) -> None:
    """Draw each photo with its face framed and named, above the gallery photo most like it."""
    figure = Figure(figsize=(1.9 * len(shown), 5.2), layout="constrained")
    grid = figure.subplots(2, len(shown), squeeze=False)
    for column, (photo, found) in enumerate(shown.items()):
        answer = found.faces[0].answer if found.faces else None
        above, below = grid[0, column], grid[1, column]
        large = decode(photo)
        above.imshow(np.asarray(named_picture(photo, found)))
        name = "no face" if answer is None else answer.name or "unknown"
        color = "#0f766e" if answer is not None and answer.name else "#b45309"
        above.set_title(f"{photo.name}\n{name}", fontsize=10, color=color)
        if answer is None or answer.photo is None or answer.score is None:
            below.imshow(np.full((large.height, large.width, 3), 255, np.uint8))
        else:
            below.imshow(np.asarray(decode(gallery / answer.photo)))
            below.set_title(f"most like it: {answer.photo}\n{answer.score:.2f}", fontsize=9)
    for axes in grid.ravel():
        axes.set_xticks([])
        axes.set_yticks([])
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
