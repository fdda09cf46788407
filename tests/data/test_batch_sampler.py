"""The P×K sampler: the composition of its batches, counted in a plain loop, under a DataLoader."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from likewise.data.batch_sampler import PKSampler
from likewise.errors import InputError

LABELS = [f"person{n}" for n in range(10) for _ in range(2 + n)]


def batches(sampler: PKSampler) -> list[list[int]]:
    return list(sampler)


def numpy_state() -> list[int]:
    """The old global state of NumPy, which users' code still draws from."""
    keys: list[int] = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002  # global state
    return keys


def test_each_batch_has_p_identities_with_k_photos() -> None:
    sampler = PKSampler(LABELS, identities=4, images=3)
    found = batches(sampler)
    assert len(found) == len(sampler) == len(LABELS) // 12
    for batch in found:
        counts = Counter(LABELS[row] for row in batch)
        assert len(counts) == 4
        assert set(counts.values()) == {3}
        for name in counts:  # no photo twice where there are enough
            own = [row for row in batch if LABELS[row] == name]
            assert len(set(own)) == min(3, LABELS.count(name))


def test_it_works_as_the_batch_sampler_of_a_loader_with_workers() -> None:
    data = TensorDataset(torch.arange(len(LABELS)))
    for workers in (0, 2):
        loader = DataLoader(data, batch_sampler=PKSampler(LABELS, 4, 3), num_workers=workers)
        assert len(loader) == len(LABELS) // 12
        found = [rows.tolist() for (rows,) in loader]
        assert found == batches(PKSampler(LABELS, 4, 3))


def test_it_is_deterministic_and_leaves_the_global_random_numbers_alone() -> None:
    states = random.getstate(), numpy_state(), torch.get_rng_state()
    one = PKSampler(LABELS, 4, 3, seed=5)
    first, second = batches(one), batches(one)
    assert first != second  # the next epoch
    one.set_epoch(0)
    assert batches(one) == first
    other = PKSampler(LABELS, 4, 3, seed=5)
    other.set_epoch(1)
    assert batches(other) == second
    assert batches(PKSampler(LABELS, 4, 3, seed=6)) != first
    assert states[0] == random.getstate()
    assert states[1] == numpy_state()
    assert torch.equal(states[2], torch.get_rng_state())


def test_numbers_tensors_and_names_are_the_same_labels() -> None:
    numbers = [int(name.removeprefix("person")) for name in LABELS]
    expected = batches(PKSampler(LABELS, 4, 3))
    for labels in (numbers, np.array(numbers) * 7, torch.tensor(numbers)):
        assert batches(PKSampler(labels, 4, 3)) == expected


def test_processes_share_each_batch() -> None:
    whole = batches(PKSampler(LABELS, 4, 3))
    parts = [batches(PKSampler(LABELS, 4, 3, rank=rank, processes=2)) for rank in range(2)]
    assert [one + other for one, other in zip(*parts, strict=True)] == whole
    assert all(len({LABELS[row] for row in batch}) == 2 for part in parts for batch in part)


def test_single_photos_are_left_out_by_photos() -> None:
    labels = [*LABELS, "alone"]
    sampler = PKSampler(labels, 4, 2, by_photos=True)
    drawn = {labels[row] for _ in range(20) for batch in sampler for row in batch}
    assert drawn == set(LABELS)


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (["a", None], {}, "labels: row 1 has no value"),
        (["a", "a"], {}, "labels: only one identity"),
        ([], {}, r"labels: shape \[0\]"),
        ([["a", "b"]], {}, r"labels: shape \[1, 2\]"),
        (["a", "b"], {"identities": 1}, "identities: 1; must be a whole number of at least 2"),
        (["a", "b"], {"images": 0}, "images: 0; must be"),
        (["a", "b"], {"rank": 2, "processes": 2}, "rank: 2; must be a whole number from 0 to 1"),
        (["a", "b"], {"images": 1, "processes": 3}, "processes: 3 for batches of 2 photos"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    labels: list[str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        PKSampler(labels, **settings)
