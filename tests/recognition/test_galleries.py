"""Galleries that are not folders of photos, and the calls around them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

import likewise
from likewise.errors import InputError
from likewise.recognition.folder_gallery.folder_gallery import FolderGallery
from likewise.recognition.galleries import open_gallery
from likewise.recognition.identification import identify
from likewise.recognition.index_gallery import IndexGallery
from likewise.recognition.people_gallery import PeopleGallery
from likewise.recognition.picture import named_picture
from likewise.recognition.recognizer import Recognizer
from likewise.search.index import Index


@pytest.fixture(scope="module")
def stored(recognizer: Recognizer, aligned: Path, raw: Path) -> likewise.Embeddings:
    """The crops of six people of LFW, two photos each."""
    names, people = [], []
    for person in sorted(raw.iterdir())[:6]:
        for photo in sorted(person.iterdir())[:2]:
            names.append(f"{person.name}/{photo.name}")
            people.append(person.name)
    vectors = recognizer.embedder.embed([aligned / name for name in names])
    items = pa.table({"path": names, "identity": people})
    return likewise.Embeddings(vectors, items, recognizer.embedder.fingerprint)


def third_photo(raw: Path, who: int) -> Path:
    return sorted(sorted(raw.iterdir())[who].iterdir())[2]


def test_an_index_and_embeddings_name_raw_photos(
    recognizer: Recognizer, stored: likewise.Embeddings, raw: Path, tmp_path: Path
) -> None:
    file, folder = tmp_path / "people.parquet", tmp_path / "index"
    likewise.write_embeddings(stored, file)
    Index.build(stored.vectors, items=stored.items, fingerprint=stored.fingerprint).save(folder)
    photos = [third_photo(raw, who) for who in (0, 1, 3, 25)]
    expected = [[photo.parent.name] for photo in photos[:3]] + [[]]
    for path, kind in ((file, PeopleGallery), (folder, IndexGallery)):
        opened = open_gallery(path, recognizer)
        assert isinstance(opened.gallery, kind)
        assert opened.report is None
        assert opened.gallery.people == 6
        assert [photo.names for photo in identify(photos, path, recognizer)] == expected
    again = identify(photos[0], opened.gallery, recognizer)
    assert again[0].names == expected[0]
    with pytest.raises(InputError, match="chosen when the gallery was made"):
        identify(photos[0], opened.gallery, recognizer, fpir=0.1)


def test_embeddings_without_identities_are_refused(
    recognizer: Recognizer, stored: likewise.Embeddings, tmp_path: Path
) -> None:
    file = tmp_path / "e.parquet"
    nameless = stored.items.select(["path"])
    likewise.write_embeddings(
        likewise.Embeddings(stored.vectors, nameless, stored.fingerprint), file
    )
    with pytest.raises(InputError, match="no column identity"):
        open_gallery(file, recognizer)


def test_a_folder_gallery_is_brought_up_to_date(
    recognizer: Recognizer, raw: Path, tmp_path: Path
) -> None:
    photo = third_photo(raw, 0)
    person = tmp_path / "people" / photo.parent.name
    person.mkdir(parents=True)
    gallery = FolderGallery(person.parent, recognizer, cache=tmp_path / "cache")
    assert identify(photo, gallery, recognizer)[0].names == []
    shutil.copy(min(photo.parent.iterdir()), person)
    assert identify(photo, gallery, recognizer)[0].names == [person.name]
    flipped = Recognizer(recognizer.embedder, recognizer.finder, flip=True)
    with pytest.raises(InputError, match="another one"):
        identify(photo, gallery, flipped)


def test_photos_may_be_pixels_bytes_or_images(
    recognizer: Recognizer, stored: likewise.Embeddings, raw: Path
) -> None:
    gallery = PeopleGallery(
        stored.vectors,
        list(stored.items["identity"].to_pylist()),
        stored.names,
        recognizer.embedder,
    )
    path = third_photo(raw, 1)
    image = Image.open(path).convert("RGB")
    for photo in (path, path.read_bytes(), image, np.asarray(image)):
        (found,) = identify(photo, gallery, recognizer)
        assert found.names == [path.parent.name]
    two = identify([image, np.asarray(image)], gallery, recognizer)
    assert [one.name for one in two] == ["photo 1", "photo 2"]


def test_the_picture_frames_every_face_and_leaves_the_rest(
    recognizer: Recognizer, stored: likewise.Embeddings, raw: Path
) -> None:
    gallery = PeopleGallery(
        stored.vectors,
        list(stored.items["identity"].to_pylist()),
        stored.names,
        recognizer.embedder,
    )
    path = third_photo(raw, 1)
    (found,) = identify(path, gallery, recognizer)
    before = np.asarray(Image.open(path).convert("RGB")).astype(int)
    after = np.asarray(named_picture(path, found)).astype(int)
    assert after.shape == before.shape
    changed = np.abs(after - before).sum(2) > 0
    x, y, width, height = (round(value) for value in found.faces[0].face.face.box)
    assert changed[y, x : x + width].mean() > 0.95  # the upper edge of the frame
    assert not changed[y + 5 : y + height - 5, x + 5 : x + width - 5].any()
    large = Image.open(path).convert("RGB").resize((3000, 3000))
    (found,) = identify(large, gallery, recognizer)
    assert max(named_picture(large, found).size) == 2000


def test_a_long_name_fits_into_a_small_photo(
    recognizer: Recognizer,
    stored: likewise.Embeddings,
    raw: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "Wilhelmina Konstantinopolskaya"
    people = [name] * len(stored.vectors)
    gallery = PeopleGallery(
        stored.vectors, people, stored.names, recognizer.embedder, threshold=-1.0
    )
    small = Image.open(third_photo(raw, 1)).convert("RGB").crop((60, 60, 190, 190))
    (found,) = identify(small, gallery, recognizer)
    drawn: list[tuple[float, float]] = []
    text = ImageDraw.ImageDraw.text

    def watched(self: ImageDraw.ImageDraw, xy: tuple[float, float], *given: Any, **options: Any):
        left, _, right, _ = self.textbbox(xy, *given, font=options["font"])
        drawn.append((left, right))
        text(self, xy, *given, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", watched)
    named_picture(small, found)
    assert found.names == [name]
    assert all(left >= 0 and right <= small.width for left, right in drawn)
