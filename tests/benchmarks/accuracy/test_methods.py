"""The plain script and the peer do what they say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.accuracy.peers import by_identity
from benchmarks.accuracy.plain import (
    flipped_and_cropped,
    plain_network,
    shuffled,
    train_plain,
)
from benchmarks.accuracy.scores import auc, scores
from sklearn.metrics import roc_auc_score

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


def test_the_plain_script_trains_for_its_seconds_and_learns(tmp_path: Path) -> None:
    photos = read_manifest(make_photos(tmp_path / "a", people=4))
    judged: list[int] = []

    def judge(vectors: np.ndarray) -> float:
        judged.append(len(vectors))
        return 0.5

    found = train_plain(photos, photos, 0.5, 0, [0.2], judge)
    assert 0.5 <= found.seconds < 2
    assert found.vectors.shape == (16, 256)
    assert found.photos == 16 * found.steps
    assert judged == [16]
    assert len(found.curve.points) == 1


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
