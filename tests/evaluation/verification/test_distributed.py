"""All pairs over several processes: bitwise the results of one, ties included."""

from __future__ import annotations

import threading
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from likewise.distances import parse_distance
from likewise.evaluation.verification import pair_blocks
from likewise.evaluation.verification.all_pairs import AllPairs, verify_all_pairs
from likewise.evaluation.verification.distributed import verify_all_pairs_distributed
from likewise.shares import Share
from tests.evaluation.verification.test_all_pairs import people


def together(
    folder: Path, count: int, vectors: np.ndarray, labels: np.ndarray, **given: object
) -> AllPairs:
    found: list[AllPairs | None] = [None] * count

    def one(rank: int) -> None:
        share = Share(rank, count, folder)
        found[rank] = verify_all_pairs_distributed(vectors, labels, share, **given)

    threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found[1:] == [None] * (count - 1)
    assert found[0] is not None
    return found[0]


def same_to_the_last_bit(found: AllPairs, alone: AllPairs) -> None:
    for field in fields(AllPairs):
        a, b = getattr(found, field.name), getattr(alone, field.name)
        if field.name == "histogram":
            np.testing.assert_array_equal(a.counts, b.counts)
            assert (a.low, a.width, a.lowest) == (b.low, b.width, b.lowest)
        elif field.name == "measured":
            assert (a.auc, a.eer, a.d_prime, a.tar_at_far) == (
                b.auc,
                b.eer,
                b.d_prime,
                b.tar_at_far,
            )
            np.testing.assert_array_equal(a.roc.threshold, b.roc.threshold)
            np.testing.assert_array_equal(a.roc.tar, b.roc.tar)
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("keep", [10, 500, 10**6])
@pytest.mark.parametrize("name", ["cosine", "manhattan"])
def test_several_processes_find_what_one_finds(
    name: str, keep: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_blocks, "ROWS", 16)
    monkeypatch.setattr(pair_blocks, "COLUMNS", 24)
    vectors, labels = people(30, 4, 5)
    if name == "manhattan":  # whole numbers: most scores tie
        vectors = np.round(vectors)
    distance = parse_distance(name)
    alone = verify_all_pairs(vectors, labels, distance=distance, keep=keep)
    found = together(tmp_path, count, vectors, labels, distance=distance, keep=keep)
    same_to_the_last_bit(found, alone)


def test_more_processes_than_blocks(tmp_path: Path) -> None:
    vectors, labels = people(5, 3, 4)
    alone = verify_all_pairs(vectors, labels)
    same_to_the_last_bit(together(tmp_path, 3, vectors, labels), alone)
