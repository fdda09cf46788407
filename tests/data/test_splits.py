"""Identities stand on one side only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.manifest import Manifest
from likewise.data.splits import cross_validation, hold_out, train_val_test
from likewise.errors import InputError


def manifest_of(counts: list[int]) -> Manifest:
    identities = [f"p{n:03d}" for n, count in enumerate(counts) for _ in range(count)]
    paths = [f"{name}/{row}.jpg" for row, name in enumerate(identities)]
    return Manifest(pa.table({"path": paths, "identity": identities}), Path())


@settings(deadline=None)
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


@pytest.mark.parametrize("people", range(4, 25))
def test_a_share_of_few_is_two_not_none(people: int) -> None:
    train, val = hold_out(manifest_of([2] * people), "10%", 0)
    assert len(val.identities) == max(2, round(people / 10))
    assert len(train.identities) == people - len(val.identities)


@pytest.mark.parametrize("share", ["0%", "0.0%", "0", 0])
def test_nothing_is_held_out_on_request(share: str | int, caplog: pytest.LogCaptureFixture) -> None:
    train, val = hold_out(manifest_of([2, 2]), share, 0)
    assert (len(train), len(val)) == (4, 0)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("counts", "pairs"), [([1] * 20, 0), ([3, 3], 2), ([3, 3, 3], 3), ([5, *[1] * 9], 1)]
)
def test_a_share_that_cannot_be_held_out_is_said(
    counts: list[int], pairs: int, caplog: pytest.LogCaptureFixture
) -> None:
    train, val = hold_out(manifest_of(counts), "10%", 0)
    assert (len(train), len(val)) == (sum(counts), 0)
    assert "nobody is held out, so nothing is validated: val_identities=10%" in caplog.text
    assert f"here are {len(counts)}, {pairs} of them with two or more" in caplog.text


@pytest.mark.parametrize("share", ["ten", "-1", "120%", "1.5", ""])
def test_a_share_that_is_none(share: str) -> None:
    with pytest.raises(InputError, match="val_identities"):
        hold_out(manifest_of([2] * 10), share, 0)


@pytest.mark.parametrize("counts", [[2, 2, 2], [1] * 20, [5, 5, 1]])
def test_too_few_to_hold_out(counts: list[int]) -> None:
    with pytest.raises(InputError, match="2 must remain on each side"):
        hold_out(manifest_of(counts), 2, 0)


COUNTS = st.lists(st.integers(1, 5), min_size=12, max_size=40)


@given(COUNTS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 99))
def test_train_val_and_test_share_nobody(counts: list[int], val: int, test: int, seed: int) -> None:
    manifest = manifest_of([*counts, *[2] * 8])
    divided = train_val_test(manifest, val=val, test=test, seed=seed)
    assert divided.names == manifest.names
    sides = [divided.split(side) for side in ("train", "val", "test")]
    assert sum(len(side) for side in sides) == len(manifest)
    people = [set(side.identities) for side in sides]
    assert sum(len(p) for p in people) == len(set().union(*people))
    assert [len(p) for p in people[1:]] == [max(2, n) if n else 0 for n in (val, test)]
    for side in sides[1:]:
        assert all(side.table["identity"].to_pylist().count(who) > 1 for who in side.identities)
    again = train_val_test(divided, val=val, test=test, seed=seed)
    assert again.table.equals(divided.table)


@given(COUNTS, st.integers(2, 4), st.integers(0, 99))
def test_folds_hold_everybody_once(counts: list[int], folds: int, seed: int) -> None:
    manifest = manifest_of([*counts, *[2] * 8])
    made = cross_validation(manifest, folds, seed=seed)
    held = [fold.split("val") for fold in made]
    assert sorted(name for fold in held for name in fold.names) == sorted(manifest.names)
    for number, (fold, val) in enumerate(zip(made, held, strict=True), start=1):
        assert not set(val.identities) & set(fold.split("train").identities)
        assert set(val.table["fold"].to_pylist()) == {number}
        assert fold.table["fold"].equals(made[0].table["fold"])
    sizes = [len(val.identities) for val in held]
    assert max(sizes) - min(sizes) <= 1
    assert made[0].table.equals(cross_validation(made[1], folds, seed=seed)[0].table)


def test_splits_that_cannot_be() -> None:
    with pytest.raises(InputError, match="2 must remain"):
        train_val_test(manifest_of([2] * 5), val=2, test=2)
    with pytest.raises(InputError, match="val: 'inf' is neither"):
        train_val_test(manifest_of([2] * 5), val="inf", test=0)
    with pytest.raises(InputError, match="take 3 folds or fewer"):
        cross_validation(manifest_of([2] * 6 + [1] * 9), 4)
