"""The shares of a job: who does what, and what becomes of what a killed run left."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.errors import InputError, LikewiseError
from likewise.shares import Share, own_share


@given(st.integers(0, 500), st.integers(1, 9), st.integers(1, 40))
def test_spans_cover_all_once_in_whole_steps(total: int, count: int, step: int) -> None:
    spans = [Share(rank, count).span(total, step) for rank in range(count)]
    assert [row for s in spans for row in range(s.start, s.stop)] == list(range(total))
    assert all(s.start % step == 0 for s in spans if s.start < total)
    sizes = [-(-(s.stop - s.start) // step) for s in spans]
    assert max(sizes) - min(sizes) <= 1


def gathered(
    folder: Path, works: list[object], key: object = 1, *, everywhere: bool = False
) -> list[object]:
    """What each process gets; all at once, as threads."""
    count = len(works)
    found: list[object] = [None] * count

    def one(rank: int) -> None:
        share = Share(rank, count, folder)
        found[rank] = share.gather("step", key, works[rank], everywhere=everywhere)

    threads = [
        threading.Thread(target=one, args=(rank,), daemon=True) for rank in reversed(range(count))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_gather_puts_shares_side_by_side_and_clears_up(tmp_path: Path) -> None:
    folder = tmp_path / ".out.shares"
    works = [lambda r=r: {"x": np.full(r, r), "s": np.array(["ä", "b"])} for r in range(3)]
    first, *others = gathered(folder, works)
    assert [part["x"].tolist() for part in first] == [[], [1], [2, 2]]
    assert others == [None, None]
    Share(1, 3, folder).clear()
    assert len(list(folder.iterdir())) == 3
    Share(0, 3, folder).clear()
    assert not folder.exists()


def test_the_first_goes_on_when_all_have_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it could remove a share before another has read it, which would wait for ever."""
    folder = tmp_path / ".out.shares"
    works = [lambda r=r: {"x": np.array([r])} for r in range(2)]
    monkeypatch.setenv("MASTER_PORT", "29500")
    for found in gathered(folder, works, everywhere=True):
        assert [part["x"].tolist() for part in found] == [[0], [1]]
    monkeypatch.setenv("MASTER_PORT", "29501")  # the next run, which finds all of this one's
    ahead, kept = threading.Event(), []

    def first() -> None:
        kept.append(Share(0, 2, folder).gather("step", 1, works[0], everywhere=True))
        ahead.set()
        Share(0, 2, folder).clear()

    thread = threading.Thread(target=first, daemon=True)
    thread.start()
    assert not ahead.wait(0.2)
    second = Share(1, 2, folder).gather("step", 1, works[1], everywhere=True)
    thread.join(60)
    assert kept[0] == second
    assert not folder.exists()


def test_what_a_killed_run_left_is_used_if_it_is_of_the_same(tmp_path: Path) -> None:
    def never() -> dict[str, np.ndarray]:
        raise AssertionError("was done already")

    gathered(tmp_path, [lambda: {"x": np.array([7])}] * 2, key=["a"])
    assert gathered(tmp_path, [never, never], key=["a"])[0][0]["x"].tolist() == [7]
    other = gathered(tmp_path, [lambda: {"x": np.array([8])}] * 2, key=["b"])
    assert other[0][1]["x"].tolist() == [8]


def test_a_damaged_share_is_refused(tmp_path: Path) -> None:
    gathered(tmp_path, [lambda: {"x": np.array([7])}] * 2)
    for file in tmp_path.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(LikewiseError, match="damaged"):
        Share(0, 2, tmp_path).gather("step", 1, dict)


def test_alone_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    share = own_share(tmp_path / "out")
    assert (share.rank, share.count, share.is_rank_zero) == (0, 1, True)
    assert share.gather("step", 1, lambda: {"x": np.arange(2)})[0]["x"].tolist() == [0, 1]
    share.clear()
    assert not list(tmp_path.iterdir())


def test_where_processes_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "4"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert own_share(tmp_path / "report") == Share(1, 4, tmp_path / ".report.shares")
    with pytest.raises(InputError, match="several machines; give --out a folder"):
        own_share()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert own_share().folder.parent.parent == tmp_path
    own_share().folder.parent.chmod(0o777)
    with pytest.raises(InputError, match="other users can write to it"):
        own_share()


@pytest.mark.parametrize(("rank", "count"), [("4", "4"), ("x", "2"), ("0", "-1")])
def test_a_wrong_environment(monkeypatch: pytest.MonkeyPatch, rank: str, count: str) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    with pytest.raises(InputError, match="start the processes with torchrun"):
        own_share(Path("x"))
