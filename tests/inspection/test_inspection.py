"""The whole of an inspection: what it finds, what it writes, and what it says it left out."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import likewise
from likewise.data.embeddings import Embeddings
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.inspection import InspectSettings, inspect_photos, write_inspection
from likewise.inspection.clean import CleanRules, clean_manifest
from likewise.inspection.record import counts_by_size, record
from likewise.inspection.summary import summary_lines
from tests.inspection.planted import as_embeddings, make_pictures, people, photos_of, picture

PEOPLE = [f"person{n:02d}" for n in range(30)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Embeddings]:
    """30 people with 4 photos each; two photos swapped, a duplicate, a broken file, two splits."""
    folder = make_pictures(tmp_path_factory.mktemp("planted") / "photos", PEOPLE)
    first, other = folder / "person03" / "1.png", folder / "person17" / "2.png"
    first.rename(folder / "kept.png")
    other.rename(first)
    (folder / "kept.png").rename(other)
    picture(20).save(folder / "person05" / "again.png", compress_level=0)
    (folder / "person06" / "broken.png").write_text("no photo")
    found = read_manifest(folder)
    split = ["test" if name.endswith("again.png") else "train" for name in found.names]
    manifest = Manifest(found.table.append_column("split", pa.array(split)), folder)
    truth = manifest.labels.copy()
    names = manifest.names
    truth[names.index("person03/1.png")], truth[names.index("person17/2.png")] = 17, 3
    return manifest, as_embeddings(manifest, photos_of(people(30, 8)[truth], 8))


def test_what_was_planted_is_found(planted: tuple[Manifest, Embeddings]) -> None:
    values = record(inspect_photos(*planted))
    assert (values["photos"], values["identities"]) == (122, 30)
    assert values["photos_per_identity"]["histogram"] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 4, 28),
        (5, 8, 2),
    ]
    assert values["formats"] == {"PNG": 121}
    assert [photo["path"] for photo in values["broken"]] == ["person06/broken.png"]
    (duplicate,) = [d for d in values["duplicates"]["found"] if d["kind"] == "exact"]
    assert (duplicate["left"], duplicate["right"]) == ("person05/0.png", "person05/again.png")
    assert (duplicate["left_split"], duplicate["right_split"]) == ("train", "test")
    assert values["duplicates"]["counts"]["across_splits"] == 1
    assert values["splits"]["shared_identities"] == {"test and train": 1}
    doubts = {m["path"]: m for m in values["labels"]["mislabels"] if m["probability"] > 0.9}
    assert set(doubts) == {"person03/1.png", "person17/2.png"}
    assert doubts["person03/1.png"]["resembles"] == "person17"
    json.dumps(values, allow_nan=False)


class Page(HTMLParser):
    """Headings, the number of pictures, and whatever the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.pictures = 0
        self.fetched: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith("data:image/jpeg;base64,"):
                self.fetched.append(value or "")
        self.pictures += tag == "img"

    def handle_data(self, data: str) -> None:
        if self._inside in ("h1", "h2") and data.strip():
            self.headings.append(data.strip())


def test_the_page_holds_all_it_needs(planted: tuple[Manifest, Embeddings], tmp_path: Path) -> None:
    page = write_inspection(inspect_photos(*planted), tmp_path, examples=1)
    text = page.read_text()
    seen = Page()
    seen.feed(text)
    assert seen.fetched == []
    assert seen.headings[0] == "Inspection of photos"
    for heading in (
        "Overview",
        "Unreadable photos",
        "Duplicates across splits",
        "Duplicates within an identity",
        "Photos that are probably mislabeled",
        "One person under two labels",
    ):
        assert heading in seen.headings
    assert seen.pictures == 2 + 2 + 3 + 4  # one example of each kind; two names share two photos
    assert text.count("<svg") == 2
    assert "The first 1 of 2." in text
    assert json.loads((tmp_path / "inspect.json").read_text())["photos"] == 122


def test_names_are_escaped(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "<script>photos", ("<b>anna", "bob"))
    (folder / "bob" / "<img src=x>.png").write_text("no photo")
    page = write_inspection(inspect_photos(read_manifest(folder)), tmp_path / "out")
    text = page.read_text()
    assert "&lt;img src=x&gt;.png" in text
    assert not any(tag in text for tag in ("<img src=x>", "<script", "<b>anna"))


def test_two_sets_are_compared(planted: tuple[Manifest, Embeddings], tmp_path: Path) -> None:
    manifest, embeddings = planted
    other = make_pictures(tmp_path / "test", ("guest", "stranger"), each=3, seed=500)
    picture(38).save(other / "guest" / "0.png")  # person09's photo, again
    against = read_manifest(other)
    who = np.stack([people(30, 8)[9], people(1, 77)[0]])[against.labels]
    found = inspect_photos(
        manifest, embeddings, against=against,
        against_embeddings=as_embeddings(against, photos_of(who, 3)),
    )  # fmt: skip
    values = record(found)
    assert [(p["left"], p["right"]) for p in values["overlap"]["found"]] == [("person09", "guest")]
    between = [d for d in values["duplicates"]["found"] if d["between_sets"]]
    assert [(d["left"], d["right"]) for d in between] == [("person09/2.png", "guest/0.png")]
    page = write_inspection(found, tmp_path / "out").read_text()
    assert "Identities in both sets" in page
    assert "Duplicates in both sets" in page


def test_a_model_makes_embeddings_and_the_threshold_of_doubles(photos: Path, model: Path) -> None:
    embedder = likewise.load(model)
    found = inspect_photos(read_manifest(photos), embedder=embedder)
    assert found.copies is not None
    assert 0 < found.copies.cosine < 1
    assert 0.5 < found.copies.pixels < 1
    assert found.labels is None
    assert any("3 identities are too few" in note for note in found.notes)


def test_a_collapsed_model_concludes_nothing_of_a_few_people(photos: Path, model: Path) -> None:
    embedder = likewise.load(model)
    biases = [tensor for name, tensor in embedder.module.named_parameters() if "bias" in name]
    with torch.no_grad():
        biases[-1] += 1e6
    found = inspect_photos(read_manifest(photos), embedder=embedder)
    assert (found.copies, found.labels) == (None, None)
    assert any("has collapsed" in note for note in found.notes)
    assert all(duplicate.kind != "embedding" for duplicate in found.duplicates)


def test_a_model_that_cannot_tell_these_people_apart_concludes_nothing(
    planted: tuple[Manifest, Embeddings], tmp_path: Path
) -> None:
    manifest, embeddings = planted
    middle = np.ones(embeddings.vectors.shape[1], np.float32)
    weak = Embeddings(middle + 1e-3 * embeddings.vectors, embeddings.items)
    found = inspect_photos(manifest, weak, against=manifest, against_embeddings=weak)
    assert found.labels is None
    assert found.overlap is None
    values = record(found)
    assert not values["ability"]["sufficient"]
    assert values["duplicates"]["counts"]["embedding"] == 0
    assert any("This model is too weak for this set" in line for line in summary_lines(values))
    assert not any("of labels are wrong" in line for line in summary_lines(values))
    assert "This model is too weak for this set" in write_inspection(found, tmp_path).read_text()
    with pytest.raises(InputError, match="a better model: this one is too weak"):
        clean_manifest(manifest, values, CleanRules(drop=("mislabeled",)))


def test_what_cannot_be_inspected_is_said(planted: tuple[Manifest, Embeddings]) -> None:
    manifest, embeddings = planted
    fewer = Embeddings(embeddings.vectors[3:], embeddings.items.slice(3))
    with pytest.raises(InputError, match=r"none for 'person00/0.png' and 2 more of the 121"):
        inspect_photos(manifest, fewer)
    with pytest.raises(InputError, match="there are no photos"):
        inspect_photos(manifest.take([]))
    foreign = Embeddings(embeddings.vectors, embeddings.items, "another")
    with pytest.raises(InputError, match="made by another embedder"):
        inspect_photos(manifest, embeddings, against=manifest, against_embeddings=foreign)
    with pytest.raises(InputError, match="false_alarms: 0; must be a number above 0 and below 0.5"):
        InspectSettings(false_alarms=0)


def test_histogram_classes_double() -> None:
    found = counts_by_size([1, 1, 2, 3, 4, 5, 9])
    assert found == [(1, 1, 2), (2, 2, 1), (3, 4, 2), (5, 8, 1), (9, 16, 1)]
    assert counts_by_size([]) == []
