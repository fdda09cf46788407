"""Datasets of a user: every kind of photo and label gives the manifest that files would give."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset

import likewise
from likewise.data.containers.dataset_store import as_photo
from likewise.data.formats.own_dataset import manifest_of
from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from tests.conftest import PEOPLE, draw_person, quick_recipe

PIXELS = [np.asarray(draw_person(person, take)) for person in range(3) for take in range(4)]
LABELS = [person for person in range(3) for _ in range(4)]
KINDS: dict[str, Callable[[Any], Any]] = {
    "PIL": Image.fromarray,
    "NumPy": lambda pixels: pixels,
    "NumPy floats": lambda pixels: pixels / 255.0,
    "torch": lambda pixels: torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
    "torch floats": lambda pixels: torch.from_numpy(pixels.transpose(2, 0, 1) / np.float32(255)),
}


class Own(Dataset[Any]):
    """A dataset of a user; counts the photos that it has been asked for."""

    def __init__(self, kind: str = "PIL", labels: Any = LABELS) -> None:
        self.kind, self.own = kind, labels
        self.asked = 0

    def __len__(self) -> int:
        return len(PIXELS)

    def __getitem__(self, row: int) -> Any:
        self.asked += 1
        return KINDS[self.kind](PIXELS[row]), self.own[row]


class Vision(Own):
    """With what the datasets of torchvision keep."""

    classes = PEOPLE
    targets = tuple(LABELS)


class Columns:
    """The interface of ``datasets.Dataset``, as far as it is used."""

    def __init__(self, columns: dict[str, Any], features: dict[str, Any]) -> None:
        self.columns, self.features = columns, features
        self.column_names = list(columns)

    def with_format(self, _: None) -> Columns:
        return self

    def select_columns(self, names: list[str]) -> Columns:
        return Columns({name: self.columns[name] for name in names}, self.features)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        return {name: values[key] for name, values in self.columns.items()}


class ClassLabel:
    names = PEOPLE


def photos(manifest: Manifest) -> list[Any]:
    return [np.asarray(decode(photo)) for photo in manifest.photos()]


def people(manifest: Manifest) -> list[str]:
    found: list[str] = manifest.table["identity"].to_pylist()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_photo_is_the_same_photo(kind: str) -> None:
    manifest = manifest_of(Own(kind))
    np.testing.assert_array_equal(photos(manifest), PIXELS)
    assert people(manifest) == [str(label) for label in LABELS]
    assert manifest.names[:2] == ["000000000", "000000001"]
    copy = pickle.loads(pickle.dumps(manifest.store))  # as a worker process gets it
    np.testing.assert_array_equal(copy.image(7), PIXELS[7])


def test_gray_photos() -> None:
    gray = PIXELS[0][:, :, 0]
    for value in (gray, gray[:, :, None], torch.from_numpy(gray.copy()).unsqueeze(0)):
        np.testing.assert_array_equal(np.asarray(decode(as_gray(value), channels=1)), gray)


def as_gray(value: Any) -> Any:
    return manifest_of([(value, "a"), (value, "b")]).photo(0)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(LABELS),
        torch.tensor(LABELS),
        [torch.tensor([label]) for label in LABELS],
        [np.int64(label) for label in LABELS],
    ],
)
def test_every_kind_of_number_is_the_same_label(labels: Any) -> None:
    assert people(manifest_of(Own(labels=labels))) == [str(label) for label in LABELS]


def test_names_are_labels_too_and_are_normalised() -> None:
    names = [f"{PEOPLE[label]} " for label in LABELS]
    assert people(manifest_of(Own(labels=names))) == [PEOPLE[label] for label in LABELS]
    assert people(manifest_of(Own(), labels=names)) == [PEOPLE[label] for label in LABELS]


def test_labels_that_the_dataset_keeps_are_not_read_from_the_photos() -> None:
    one = Vision()
    assert people(manifest_of(one)) == [PEOPLE[label] for label in LABELS]
    assert one.asked <= 5
    some, rest = Subset(one, [11, 0, 5, 6]), Subset(one, [1, 2])
    assert people(manifest_of(some)) == ["carl", "anna", "bob", "bob"]
    both = manifest_of(ConcatDataset([some, rest]))
    assert people(both) == ["carl", "anna", "bob", "bob", "anna", "anna"]
    np.testing.assert_array_equal(photos(both)[5], PIXELS[2])


def test_kept_labels_that_are_not_those_of_the_items_are_not_used() -> None:
    one = Vision(labels=[2 - label for label in LABELS])
    assert people(manifest_of(one)) == [PEOPLE[2 - label] for label in LABELS]
    one.target_transform = lambda label: label  # type: ignore[attr-defined]  # a part of torchvision's
    assert people(manifest_of(one)) == [str(2 - label) for label in LABELS]


def test_tensors() -> None:
    pixels = torch.stack([KINDS["torch"](one) for one in PIXELS])
    manifest = manifest_of(TensorDataset(pixels, torch.tensor(LABELS)))
    np.testing.assert_array_equal(photos(manifest), PIXELS)


def test_items_that_are_dictionaries() -> None:
    items = [{"img": pixels, "label": label} for pixels, label in zip(PIXELS, LABELS, strict=True)]
    np.testing.assert_array_equal(photos(manifest_of(items)), PIXELS)
    other = [{"view": item["img"], "person": item["label"]} for item in items]
    manifest = manifest_of(other, image="view", label="person")
    assert people(manifest) == [str(label) for label in LABELS]
    with pytest.raises(InputError, match="image: none is called image or img .* view, person"):
        manifest_of(other)


def test_columns_of_hugging_face() -> None:
    columns: dict[str, Any] = {"image": [Image.fromarray(p) for p in PIXELS], "label": LABELS}
    manifest = manifest_of(Columns(columns, {"image": None, "label": ClassLabel()}))
    assert people(manifest) == [PEOPLE[label] for label in LABELS]
    np.testing.assert_array_equal(photos(manifest), PIXELS)
    named = {"photo": columns["image"], "who": LABELS}
    found = manifest_of(Columns(named, {"photo": None, "who": ClassLabel()}), image="photo")
    assert people(found) == people(manifest)  # the only column of classes
    with pytest.raises(InputError, match="image: none is called image or img"):
        manifest_of(Columns(named, {"photo": None, "who": None}))


def test_hugging_face_itself(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(PEOPLE))}
    )
    columns: dict[str, Any] = {"image": [Image.fromarray(p) for p in PIXELS], "label": LABELS}
    whole = datasets.Dataset.from_dict(columns, features=features)
    manifest = likewise.read_manifest(whole)
    assert people(manifest) == [PEOPLE[label] for label in LABELS]
    np.testing.assert_array_equal(photos(manifest), PIXELS)
    parts = datasets.DatasetDict({"train": whole.select(range(8)), "test": whole.select([11])})
    split = likewise.read_manifest(parts)
    assert split.names[-1] == "test/000000000"
    assert people(split.split("test")) == ["carl"]
    np.testing.assert_array_equal(photos(split)[-1], PIXELS[11])
    run = likewise.train(parts["train"], tmp_path / "run", quick_recipe("schedule.epochs=1"))
    vectors = likewise.load(run.model).embed(whole)
    np.testing.assert_array_equal(vectors, likewise.load(run.model).embed(columns["image"]))


def test_several_datasets_by_split() -> None:
    one = Own()
    manifest = manifest_of({"train": Subset(one, range(8)), "validation": Subset(one, [8, 11])})
    assert manifest.table["split"].to_pylist() == ["train"] * 8 + ["val"] * 2
    np.testing.assert_array_equal(photos(manifest.split("val")), [PIXELS[8], PIXELS[11]])
    with pytest.raises(InputError, match="dataset: split 'extra'; must be one of gallery, query"):
        manifest_of({"extra": one})


def test_bare_images_have_no_identity() -> None:
    manifest = manifest_of(PIXELS)
    assert "identity" not in manifest.table.column_names
    assert people(manifest_of(PIXELS, labels=LABELS)) == [str(label) for label in LABELS]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        (Stream(), {}, "dataset: Stream has no length"),
        ([], {}, "dataset: list is empty"),
        ({}, {}, "an empty dictionary"),
        ([(PIXELS[0],)], {}, r"row 0: no label; an item must be \(image, label\)"),
        (Own(labels=[None] * 12), {}, "labels: row 0 has no value"),
        (Own(labels=[[1, 2]] * 12), {}, r"row 0: a label of shape \[2\]"),
        (Own(), {"labels": LABELS[:3]}, r"labels: shape \[3\]; must be \[12\]"),
        (Own(), {"image": "img"}, "the items of Own are not dictionaries"),
        (Own(), {"label": "person"}, "label: no 'person' in the items of Own"),
    ],
)
def test_what_is_no_dataset_is_refused(
    dataset: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        manifest_of(dataset, **settings)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(40, 40, 3), r"a torch tensor of shape \[40, 40, 3\]; must be \[H,W\] or \[C"),
        (np.zeros((3, 40, 40), np.uint8), r"a NumPy array of shape \[3, 40, 40\]; must be \[H,W\]"),
        (torch.full((3, 40, 40), -1.5), "float pixels from -1.5 to -1.5; must be from 0 to 1"),
        (torch.full((3, 40, 40), torch.nan), "float pixels from nan"),
        (np.zeros((40, 40), np.int32), "pixels of int32; must be uint8"),
        (7, "image: int; a photo is a PIL image"),
    ],
)
def test_what_is_no_photo_is_a_bad_image(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_photo(value)
    with pytest.raises(BadImage, match="list: 000000000: image: .*") as caught:
        decode(manifest_of([(value, "a"), (value, "b")]).photo(0))
    assert "\n" not in str(caught.value)


class Failing(Own):
    def __getitem__(self, row: int) -> Any:
        if row == 2:
            raise OSError("the disk does not answer")
        return super().__getitem__(row)


def test_a_dataset_trains_and_is_embedded_as_its_files_are(photos: Path, tmp_path: Path) -> None:
    recipe = quick_recipe("data.val_identities=0", "training.seed=3")
    files = likewise.read_manifest(photos)
    items = list(zip(map(decode, files.photos()), people(files), strict=True))
    one = likewise.load(likewise.train(files, tmp_path / "one", recipe).model)
    other = likewise.load(likewise.train(items, tmp_path / "two", recipe).model)
    assert one.fingerprint == other.fingerprint
    found, bad = one.embed_manifest(items)
    np.testing.assert_array_equal(found.vectors, one.embed_manifest(files)[0].vectors)
    assert not bad
    assert likewise.evaluate(found).measured.genuine == 18
    tensors = [torch.from_numpy(np.array(image).transpose(2, 0, 1)) for image, _ in items]
    np.testing.assert_array_equal(one.embed(tensors), found.vectors)
    np.testing.assert_array_equal(one.embed(tensors[0]), one.embed(items[0][0]))


def test_an_item_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    data = Failing()
    result = likewise.train(
        manifest_of(data, labels=LABELS), tmp_path / "run", quick_recipe("data.workers=2")
    )
    assert result.finished
    log = (tmp_path / "run" / "train.log").read_text()
    assert "left out: Failing: 000000002: the disk does not answer" in log
    model = likewise.load(result.model)
    with pytest.raises(BadImage, match="Failing: 000000002: the disk does not answer"):
        model.embed(data)
    assert len(model.embed(Own())) == 12


def test_a_row_whose_label_cannot_be_read_is_named() -> None:
    class Broken:
        def __len__(self) -> int:
            return 8

        def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
            if row == 5:
                raise OSError("disk")
            return np.zeros((32, 32, 3), np.uint8), row

    with pytest.raises(InputError, match=r"dataset: row 5: its label cannot be read \(disk\)"):
        manifest_of(Broken())
