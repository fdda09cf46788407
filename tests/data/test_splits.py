"""Held-out identities stand on one side only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.data.manifest import Manifest
from likewise.data.splits import hold_out
from likewise.errors import InputError


def manifest_of(counts: list[int]) -> Manifest:
    identities = [f"p{n:03d}" for n, count in enumerate(counts) for _ in range(count)]
    paths = [f"{name}/{row}.jpg" for row, name in enumerate(identities)]
    return Manifest(pa.table({"path": paths, "identity": identities}), Path())


@given(st.lists(st.integers(2, 5), min_size=6, max_size=30), st.integers(2, 4), st.integers(0, 99))
def test_no_identity_on_both_sides_and_no_photo_lost(
    counts: list[int], held: int, seed: int
) -> None:
    manifest = manifest_of(counts)
    train, val = hold_out(manifest, held, seed)
    assert not set(train.identities) & set(val.identities)
    assert sorted(train.names + val.names) == sorted(manifest.names)
    assert len(val.identities) == held
    again = hold_out(manifest, str(held), seed)[1]
    assert again.names == val.names


def test_a_share_is_of_the_identities_with_two_photos() -> None:
    train, val = hold_out(manifest_of([3] * 40 + [1] * 60), "10%", 0)
    assert len(val.identities) == 4
    assert len(train.identities) == 96


def test_nothing_is_held_out_on_request() -> None:
    train, val = hold_out(manifest_of([2, 2]), "0%", 0)
    assert (len(train), len(val)) == (4, 0)


@pytest.mark.parametrize("share", ["ten", "-1", "120%", "1.5", ""])
def test_a_share_that_is_none(share: str) -> None:
    with pytest.raises(InputError, match="val_identities"):
        hold_out(manifest_of([2] * 10), share, 0)


@pytest.mark.parametrize("counts", [[2, 2, 2], [1] * 20, [5, 5, 1]])
def test_too_few_to_hold_out(counts: list[int]) -> None:
    with pytest.raises(InputError, match="2 must remain on each side"):
        hold_out(manifest_of(counts), 2, 0)
