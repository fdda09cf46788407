"""A finder that needs no network, for tests of what is done with its faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.errors import LikewiseError
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.faces.face import Face
from likewise.faces.finder import PhotoFaces
from likewise.faces.gate import Rejected

PEOPLE = {"anna": (200, 40, 40), "bob": (40, 200, 40), "carl": (40, 40, 200)}


class SquareFinder:
    """Finds the white squares of a photo; the crop is the colour around them."""

    def __init__(self, settings: AlignSettings) -> None:
        self.side = settings.side
        self.calls = 0

    def examine(self, photo: Image.Image) -> PhotoFaces:
        faces = self.find(photo)
        rejected = () if faces else (Rejected((1.0, 2.0, 30.0, 40.0), 0.4, 0.1, "too faint"),)
        return PhotoFaces(tuple(faces), rejected, photo.size)

    def find(self, photo: Image.Image) -> list[Face]:
        self.calls += 1
        pixels = np.asarray(photo)
        crop = np.full((self.side, self.side, 3), pixels[-1, -1], np.uint8)
        white = (pixels > 250).all(axis=2)
        faces = []
        for x in range(0, photo.width, 20):
            for y in range(0, photo.height, 20):
                side = int(white[y : y + 20, x : x + 20].any(axis=0).sum())
                if side:
                    points = np.array([[x, y], [x + side, y]] + [[x, y + side]] * 3, np.float32)
                    faces.append(
                        Face(
                            (float(x), float(y), float(side), float(side)),
                            points,
                            0.9,
                            0.99,
                            0.0,
                            crop,
                        )
                    )
        return sorted(faces, key=lambda face: -face.box[2])


def square_photo(person: str, *squares: tuple[int, int, int], size: int = 100) -> Image.Image:
    """A photo in the colour of a person, with a white square (x, y, side) for each face."""
    photo = Image.new("RGB", (size, size), PEOPLE[person])
    for x, y, side in squares:
        photo.paste((255, 255, 255), (x, y, x + side, y + side))
    return photo


@pytest.fixture
def squares(monkeypatch: pytest.MonkeyPatch) -> list[SquareFinder]:
    """All settings get a ``SquareFinder``; those that were made are listed."""
    made: list[SquareFinder] = []

    def finder(settings: AlignSettings) -> SquareFinder:
        made.append(SquareFinder(settings))
        return made[-1]

    monkeypatch.setattr(AlignSettings, "finder", finder)
    return made


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people: photos with one face, several, none, and a broken one."""
    folder = tmp_path / "people"
    for person in PEOPLE:
        (folder / person).mkdir(parents=True)
        square_photo(person, (40, 40, 10)).save(folder / person / "one.png")
        square_photo(person, (40, 40, 10), (0, 0, 16)).save(folder / person / "two.png")
    square_photo("anna").save(folder / "anna" / "none.png")
    (folder / "bob" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return folder


@pytest.fixture
def real_faces(shared_data: Path) -> Path:
    """The raw photos of LFW; skipped where they, or the weights, are absent."""
    folder = shared_data / "lfw" / "raw_sample"
    if not folder.is_dir():
        pytest.skip("no raw photos of LFW here")
    try:
        AlignSettings().finder()
    except LikewiseError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the test."""
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


Tree = Callable[[Path], dict[str, tuple[int, int]]]


@pytest.fixture
def tree() -> Tree:
    """A function: the files below a folder, with size and time."""

    def listed(folder: Path) -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return listed
