"""Folds: disjoint identities, and every photo tested once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from likewise.data.formats import read_manifest
from likewise.data.sampler import BalancedBatches, EpochSampler
from likewise.errors import InputError
from likewise.lab.compare.folds import make_folds
from likewise.lab.compare.photo_set import VIEWS, PhotoSet, ViewBatches, read_photo_set
from likewise.lab.compare.sources import few_identities, read_sources
from tests.conftest import make_photos
from tests.lab.compare.setups import tiny_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    folder = make_photos(tmp_path_factory.mktemp("partition") / "photos", people=10)
    for photo in ("1.png", "2.png", "3.png"):  # this one has a single photo left
        (folder / "person00" / photo).unlink()
    return read_photo_set(read_manifest(folder), None, tiny_recipe())


def test_folds_are_disjoint_in_identities_and_cover_all(photos: PhotoSet) -> None:
    folds = make_folds(photos, 3, 2)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(set(tested)) == len(tested) == 36  # all but the single photo
    for fold in folds:
        sides = (fold.fitting, fold.validation, fold.test)
        people = [set(photos.labels[rows].tolist()) for rows in sides]
        assert not people[0] & people[1]
        assert not people[2] & (people[0] | people[1])
        assert sorted([*fold.fitting, *fold.validation]) == fold.training.tolist()
        assert len(people[1]) == 2
        assert 0 in people[0]  # the single photo is trained on
    again = make_folds(photos, 3, 2)
    assert all((a.test == b.test).all() for a, b in zip(folds, again, strict=True))


def test_views_show_the_same_person_as_the_photo(photos: PhotoSet) -> None:
    """The nearest photo of the mean view is of the same person."""
    views = photos.views.float().flatten(2).mean(1)
    own = photos.pixels.float().flatten(1)
    nearest = torch.cdist(views, own).argmin(1).numpy()
    assert (photos.labels[nearest] == photos.labels).all()
    assert len(photos.views.flatten(2)[0].unique(dim=0)) == VIEWS


def test_batches_are_views_of_the_rows_drawn(photos: PhotoSet) -> None:
    rows = np.flatnonzero(photos.labels >= 4)
    labels = photos.labels[rows] - 4
    sampler = EpochSampler(BalancedBatches(labels, 3, 2, 0), 0)
    found = list(ViewBatches(photos, rows, labels, sampler))
    assert len(found) == len(sampler)
    for batch, draws in zip(found, sampler, strict=True):
        for pixels, label, (place, seed) in zip(batch.pixels, batch.labels, draws, strict=True):
            assert label == labels[place]
            assert torch.equal(pixels, photos.views[rows[place], seed % VIEWS])


def test_a_test_set_of_the_same_people_is_refused(tmp_path: Path) -> None:
    one, two = make_photos(tmp_path / "one", 5), make_photos(tmp_path / "two", 4)
    with pytest.raises(InputError, match="4 identities are also in the training data"):
        read_sources(str(one), str(two))


def test_a_few_identities(tmp_path: Path) -> None:
    manifest = read_manifest(make_photos(tmp_path / "photos", 9))
    few = few_identities(manifest, 5)
    assert len(few.identities) == 5
    assert len(few) == 20
    assert few_identities(manifest, 5).fingerprint == few.fingerprint
    assert few_identities(manifest, 50) is manifest
    with pytest.raises(InputError, match="--identities: 3; must be a whole number of at least 4"):
        few_identities(manifest, 3)


def test_omniglot_brings_its_own_test_set() -> None:
    with pytest.raises(InputError, match="has its own test set"):
        read_sources("omniglot:folder", "other")
    with pytest.raises(InputError, match="images_background.zip: no such"):
        read_sources("omniglot:folder")
