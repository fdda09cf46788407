"""The plain script and the peer do what they say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.accuracy.clock import Clock
from benchmarks.accuracy.peers import by_identity
from benchmarks.accuracy.plain import (
    flipped_and_cropped,
    plain_network,
    shuffled,
    train_plain,
)
from benchmarks.accuracy.scores import auc, scores
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy import plain
from likewise.data.formats import read_manifest
from tests.conftest import make_photos


def test_the_plain_network_has_four_blocks_of_stride_two() -> None:
    network = plain_network()
    images = torch.zeros(2, 3, 64, 64)
    assert network[:4](images).shape == (2, 256, 4, 4)
    assert network(images).shape == (2, 256)


def test_every_crop_is_a_part_of_the_padded_photo_or_its_mirror_image() -> None:
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (30, 3, 16, 16)).astype(np.uint8)
    )
    found = flipped_and_cropped(pixels, np.random.default_rng(1))
    mirrored = 0
    for photo, crop in zip(pixels, found, strict=True):
        padded = np.pad(photo.numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
        parts = [padded[:, y : y + 16, x : x + 16] for y in range(3) for x in range(3)]
        plain = any(np.array_equal(part, crop) for part in parts)
        mirror = any(np.array_equal(part[..., ::-1], crop) for part in parts)
        assert plain or mirror
        mirrored += mirror and not plain
    assert 5 < mirrored < 25


def test_each_pass_shows_every_photo_once_but_an_incomplete_batch() -> None:
    batches = list(islice(shuffled(10, 3, np.random.default_rng(0)), 6))
    assert all(len(batch) == 3 for batch in batches)
    for start in (0, 3):
        assert len(set(torch.cat(batches[start : start + 3]).tolist())) == 9


class SteppingClock(Clock):
    """A second is over at every look, so that the steps do not depend on the machine."""

    looks = 0

    @property
    def seconds(self) -> float:
        self.looks += 1
        return self.looks


def test_the_plain_script_trains_for_its_seconds_and_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "Clock", SteppingClock)
    photos = read_manifest(make_photos(tmp_path / "a", people=6))

    def judge(vectors: np.ndarray) -> float:
        """How much more alike two photos of one person are than those of two, by the cosine."""
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        alike, same = units @ units.T, photos.labels[:, None] == photos.labels
        return float(alike[same & ~np.eye(len(same), dtype=bool)].mean() - alike[~same].mean())

    found = train_plain(photos, photos, 30, 0, [2], judge)
    # A look before each step; one after it, as long as a mark is open; one after the last step.
    assert (found.steps, found.seconds) == (28, 31)
    assert found.vectors.shape == (24, 256)
    assert found.photos == 24 * found.steps
    ((_, early),) = found.curve.points
    monkeypatch.setattr(plain, "RATE", 0.0)  # only the statistics of the batch norms move
    untaught = judge(train_plain(photos, photos, 30, 0, [], judge).vectors)
    assert judge(found.vectors) > max(early, untaught) + 0.1


def test_batches_of_triplets_hold_four_photos_of_each_identity() -> None:
    pytest.importorskip("pytorch_metric_learning")
    labels = np.repeat(np.arange(5), 6)
    for batch in islice(by_identity(labels, 0), 4):
        assert np.bincount(labels[batch.numpy()], minlength=5).tolist() == [4] * 5


def test_scores_are_those_of_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 4)
    vectors = random.normal(size=(6, 8))[labels] + 1.2 * random.normal(size=(24, 8))
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = directions @ directions.T
    pairs = [(i, j) for i in range(24) for j in range(i)]
    same = [labels[i] == labels[j] for i, j in pairs]
    expected = roc_auc_score(same, [cosines[i, j] for i, j in pairs])
    found = scores(vectors.astype(np.float32), labels)
    assert found["auc"] == pytest.approx(expected, abs=1e-6)
    assert auc(vectors.astype(np.float32), labels) == pytest.approx(expected, abs=1e-6)
    np.fill_diagonal(cosines, -2)
    assert found["recall_at_1"] == (labels[cosines.argmax(axis=1)] == labels).mean()
