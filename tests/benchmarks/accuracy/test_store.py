"""Results are kept one by one, and nothing that is measured is measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.accuracy.store import Cell, Store, matching

from benchmarks.accuracy import cells
from likewise.errors import InputError


def cell(seed: int, method: str = "plain") -> Cell:
    return Cell({"set": "orl", "method": method, "budget": 60, "seed": seed})


def test_a_result_is_found_again_by_its_keys(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.jsonl")
    store.append(cell(0), {"auc": 0.9}, 0.01)
    store.append(cell(1), {"auc": 0.8}, 0.01)
    found = Store(tmp_path / "results.jsonl").lines()
    assert found[cell(0)].numbers == {"auc": 0.9}
    assert found[Cell(dict(reversed(list(cell(1).keys.items()))))].numbers == {"auc": 0.8}
    assert found[cell(0)].cpu
    assert found[cell(0)].version


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.jsonl")
    store.append(cell(0), {"auc": 0.9}, 0.01)
    with store.path.open("a") as stream:
        stream.write('{"cell": {"se')
    with pytest.raises(InputError, match=r"results.jsonl: line 2: not a result"):
        store.lines()


def test_a_cell_is_claimed_by_one_process_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.jsonl")
    with store.claim(cell(0)) as mine, Store(store.path).claim(cell(0)) as second:
        assert (mine, second) == (True, False)
    store.append(cell(0), {"auc": 0.9}, 0.01)
    with store.claim(cell(0)) as again:
        assert not again


def test_each_shell_gets_a_core_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.accuracy.store.usable_cores", lambda: 2)
    store = Store(tmp_path / "results.jsonl")
    with store.core() as one, store.core() as other:
        assert {one, other} == {0, 1}
        with pytest.raises(InputError, match="2 shells measure already"), store.core():
            pass


def test_cells_are_chosen_by_patterns() -> None:
    everything = [cell(seed, method) for seed in range(2) for method in ("plain", "likewise")]
    assert matching(everything, None) == everything
    assert [c.name for c in matching(everything, "*/plain/*, */1")] == [
        "orl/plain/60/0", "orl/plain/60/1", "orl/likewise/60/1",
    ]  # fmt: skip


def test_done_cells_are_skipped_and_failed_ones_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []

    def fake(module: str, one: Cell, core: int | None) -> dict[str, Any] | None:
        tried.append(one.name)
        return None if one.name.endswith("/1") and len(tried) < 3 else {"auc": 0.5}

    monkeypatch.setattr(cells, "in_fresh_process", fake)
    given = cells.options("", "x").parse_args(["--store", str(tmp_path / "r.jsonl")])
    store = cells.store_of(given, "x")
    assert not cells.measure(store, [cell(0), cell(1)], "any", given)
    assert "FAILED" in capsys.readouterr().err
    assert cells.measure(store, [cell(0), cell(1)], "any", given)
    assert tried == ["orl/plain/60/0", "orl/plain/60/1", "orl/plain/60/1"]
    assert len(store.lines()) == 2


def test_a_cell_runs_in_a_fresh_process_with_its_keys() -> None:
    found = cells.in_fresh_process("tests.benchmarks.accuracy.fake_program", cell(3))
    assert found == {"seed": 3, "threads": 1}
