"""Parts of a set: which identities and photos they hold, and that none is in both."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from benchmarks.sets.faces import lfw_aligned, lfw_few, lfw_raw
from benchmarks.sets.split import (
    MissingData,
    Split,
    at_most,
    drawn,
    of_identities,
    two_parts,
    with_photos,
)

from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError
from tests.conftest import make_photos

NAMES = [f"n{number:02d}" for number in range(30)]


def manifest(counts: dict[str, int]) -> Manifest:
    rows = [(f"{name}/{k}.png", name) for name, count in counts.items() for k in range(count)]
    rows = rows[::2] + rows[1::2]  # not sorted by identity
    return Manifest(
        pa.table({"path": [p for p, _ in rows], "identity": [i for _, i in rows]}), Path()
    )


def test_a_split_with_a_shared_identity_is_refused() -> None:
    with pytest.raises(LikewiseError, match="mine: in both parts: b$"):
        Split("mine", manifest({"a": 2, "b": 2}), manifest({"b": 1, "c": 2}))


def test_a_split_with_an_empty_part_is_refused() -> None:
    one = manifest({"a": 2})
    with pytest.raises(LikewiseError, match="mine: its part test has no photos"):
        Split("mine", one, one.take([]))


def test_draws_depend_on_the_seed_and_not_on_the_order() -> None:
    first = drawn(NAMES, 10, 0)
    assert len(set(first)) == 10
    assert set(first) <= set(NAMES)
    assert first == drawn(NAMES[::-1], 10, 0) != drawn(NAMES, 10, 1)
    with pytest.raises(LikewiseError, match="31 identities are wanted, 30 are there"):
        drawn(NAMES, 31, 0)


def test_two_parts_hold_each_name_once() -> None:
    parts = two_parts(NAMES, 0.6, 0)
    assert sorted(parts) == NAMES
    assert list(parts.values()).count("train") == 18
    assert set(parts.values()) == {"train", "test"}


def test_photos_are_chosen_as_by_a_plain_loop() -> None:
    counts = {"a": 5, "b": 1, "c": 3, "d": 2}
    whole = manifest(counts)
    assert with_photos(whole, 3) == [name for name, count in counts.items() if count >= 3]
    assert of_identities(whole, {"a", "d"}).names == [n for n in whole.names if n[0] in "ad"]
    kept: list[str] = []
    for name in sorted(whole.names):
        if sum(other[0] == name[0] for other in kept) < 2:
            kept.append(name)
    assert sorted(at_most(whole, 2).names) == kept


@pytest.fixture
def lfw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up LFW: people t00 to t49 of DevTrain, s00 to s09 of DevTest; s00 has one photo."""
    folder = tmp_path / "lfw"
    train, test = [f"t{n:02d}" for n in range(50)], [f"s{n:02d}" for n in range(10)]
    make_photos(folder / "aligned112", tuple(train[:5]), each=2)
    make_photos(folder / "aligned112", tuple(train[5:]), each=9)
    make_photos(folder / "aligned112", tuple(test[:1]), each=1)
    make_photos(folder / "aligned112", tuple(test[1:]), each=2)
    make_photos(folder / "raw_sample", tuple(train[:7] + test[:4]), each=1)
    (folder / "protocol").mkdir()
    for name, people in (("Train", train), ("Test", test)):
        rows = "".join(f"{person},1\n" for person in people)
        (folder / "protocol" / f"peopleDev{name}.csv").write_text(f"name,images\n{rows}")
    monkeypatch.setenv("LIKEWISE_DATA", str(tmp_path))
    return folder


def test_parts_of_lfw_follow_view_1(lfw: Path) -> None:
    whole, few, raw = lfw_aligned(), lfw_few(), lfw_raw()
    assert whole.train.identities == [f"t{n:02d}" for n in range(5, 50)]
    assert whole.test.identities == few.test.identities == [f"s{n:02d}" for n in range(1, 10)]
    assert len(few.train.identities) == 40
    assert len(few.train) == 40 * 9
    assert len(raw.train.identities) == 5
    assert all(name[0] == "t" for name in raw.train.identities)
    assert {f"s{n:02d}" for n in range(4)} < set(raw.test.identities)
    assert len(raw.test.identities) == 6


def test_absent_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIKEWISE_DATA", raising=False)
    with pytest.raises(MissingData, match="lfw: set LIKEWISE_DATA"):
        lfw_raw()
    monkeypatch.setenv("LIKEWISE_DATA", str(tmp_path))
    with pytest.raises(MissingData, match=r"lfw: no such folder"):
        lfw_raw()
