"""The directory of an index: whole or refused, old or new."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.errors import InputError, LikewiseError
from likewise.search.families import FAMILIES
from likewise.search.families.hnsw import HNSW
from likewise.search.index import Index
from tests.search.cases import EACH, IDS, QUERIES, index_of


@pytest.mark.parametrize("name", EACH)
def test_a_flipped_byte_is_noticed_in_every_file(name: str, tmp_path: Path) -> None:
    index = index_of(name)
    index.remove(IDS[:3])
    index.add(QUERIES[:1], [1], pa.table({"path": ["a"], "camera": [0]}))
    index.save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 7
    random = np.random.default_rng(0)
    for file in files:
        good = file.read_bytes()
        for place in (0, int(random.integers(len(good))), len(good) - 1):
            bad = bytearray(good)
            bad[place] ^= 1 << int(random.integers(8))
            file.write_bytes(bytes(bad))
            with pytest.raises(InputError, match=r"damaged|checksum|format|unknown family"):
                Index.load(tmp_path)
        file.write_bytes(good[:-1])
        with pytest.raises(InputError):
            Index.load(tmp_path)
        file.write_bytes(good)
    assert len(Index.load(tmp_path)) == len(index)


def plain_types(table: pa.Table) -> list[pa.DataType]:
    """The types of the columns, whatever numbers a dictionary counts its values by."""
    return [t.value_type if pa.types.is_dictionary(t) else t for t in table.schema.types]


@pytest.mark.parametrize("name", ["exact", "ivf_flat", "hnsw"])
def test_a_compacted_index_holds_no_byte_of_what_was_removed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that whole names can be looked for in the files.
    monkeypatch.setattr(pq, "write_table", partial(pq.write_table, compression="none"))
    random = np.random.default_rng(0)
    vectors, ids = random.normal(size=(300, 16)), random.integers(2**40, 2**60, 300)
    names = pa.array([random.bytes(12).hex() for _ in range(300)])
    people = pa.array([random.bytes(12).hex() for _ in range(300)])
    items = pa.table(
        {
            "path": names,
            "identity": pa.DictionaryArray.from_arrays(pa.array(np.arange(300)), people),
            "seen": pa.ListArray.from_arrays(np.arange(301), people.dictionary_encode()),
        }
    )
    index = Index.build(vectors[:290], ids[:290], family=name, items=items.slice(0, 290))
    index.add(vectors[290:], ids[290:], items.slice(290))
    before = {number: index.vectors[number].tobytes() for number in (0, 295, 1, 296)}

    def found(number: int) -> list[bool]:
        whole = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        texts = [str(column[number]).encode() for column in (names, people)]
        traces = [before[number], ids[number].astype("<i8").tobytes(), *texts]
        return [trace in whole for trace in traces]

    index.remove(ids[[0, 295]])
    index.save(tmp_path)
    assert found(0) == [True] * 4  # still there, marked
    assert Index.load(tmp_path).compact(tmp_path) == 1
    assert found(0) == found(295) == [False] * 4
    assert found(1) == found(296) == [True] * 4
    back = Index.load(tmp_path)
    kept = np.delete(np.arange(300), [0, 295])
    assert sorted(back.ids.tolist()) == sorted(ids[kept].tolist())
    assert back.describe(ids[[1, 296]]) == items.take([1, 296]).to_pylist()
    assert back.items is not None
    assert plain_types(back.items) == plain_types(items)
    assert back.family == name
    back.remove(ids)
    assert back.compact(tmp_path) == 298
    assert len(Index.load(tmp_path)) == 0
    assert found(1) == [False] * 4


def test_every_single_byte_of_the_header(tmp_path: Path) -> None:
    Index.build(np.eye(2), items=pa.table({"path": ["ä", "b"]})).save(tmp_path)
    header = tmp_path / "index.json"
    good = header.read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 8)
        header.write_bytes(bytes(bad))
        with pytest.raises(InputError, match="index"):
            Index.load(tmp_path)


def test_a_strangers_file_among_the_engines_is_refused(tmp_path: Path) -> None:
    """Libraries look for more files than they wrote, and unpickle some."""
    index_of("hnsw").save(tmp_path)
    next(tmp_path.glob("engine-*")).joinpath("scann_docids.pkl").write_bytes(b"cos\nsystem\n.")
    with pytest.raises(InputError, match="holds files that are not the index's"):
        Index.load(tmp_path)


def test_an_index_of_format_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(InputError, match="format 1, not 2; build it again"):
        Index.load(tmp_path)


def test_a_save_that_fails_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Index.build(np.eye(2), [1, 2]).save(tmp_path)
    index = index_of("hnsw")

    def full(self: HNSW, folder: Path) -> None:
        (folder / "part").write_bytes(b"x")
        raise RuntimeError("Error in write: No space left on device")

    monkeypatch.setattr(HNSW, "save", full)
    with pytest.raises(LikewiseError, match="No space left"):
        index.save(tmp_path)
    assert Index.load(tmp_path).ids.tolist() == [1, 2]
    Index.build(np.eye(3), [1, 2, 3]).save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3  # nothing of the failed one is left


def test_evidence_that_is_no_json_is_refused(tmp_path: Path) -> None:
    index = Index.build(np.eye(2))
    index.evidence["recall"] = object()
    with pytest.raises(InputError, match="evidence"):
        index.save(tmp_path)


SAVER = """
import sys
import numpy as np
from likewise.search.index import Index

folder, family, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
random = np.random.default_rng(seed)
print("ready", flush=True)
for turn in range(1000):
    count = 1200 + int(random.integers(300))
    # Every vector of one save has the same first number, and so has every id.
    mark = int(random.integers(1, 1000))
    vectors = random.normal(size=(count, 8)).astype(np.float32)
    vectors[:, 0] = mark
    index = Index.build(vectors, np.arange(count) * 1000 + mark, family=family, metric="euclidean",
                        settings={"links": 4, "ef_construction": 8} if family == "hnsw" else None)
    index.remove(np.arange(5) * 1000 + mark)
    extra = np.full((3, 8), mark, np.float32)
    index.add(extra, (np.arange(3) + count) * 1000 + mark)
    if turn % 2:
        index.rebuild(background=True)
    index.save(folder)
    print("saved", flush=True)
"""


def killed_while_saving(folder: Path, times: int) -> None:
    random = np.random.default_rng(0)
    families = ("hnsw", "ivf_flat", "exact")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for turn in range(times):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(folder), families[turn % 3], str(turn)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        if turn == 0:
            assert process.stdout.readline() == b"saved\n"
        time.sleep(float(random.uniform(0.0, 0.3)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        index = Index.load(folder)
        marks = set((index.ids % 1000).tolist())
        assert len(marks) == 1  # ids and vectors are of one save
        assert set(index.vectors[:, 0].tolist()) == {float(marks.pop())}
        assert index.search(index.vectors[7], 1)[1][0, 0] in index.ids
        assert index.family in FAMILIES


def test_killed_while_saving_and_rebuilding(tmp_path: Path) -> None:
    killed_while_saving(tmp_path, 4)


@pytest.mark.slow
def test_killed_fifty_times(tmp_path: Path) -> None:
    killed_while_saving(tmp_path, 50)
    Index.load(tmp_path).save(tmp_path)
    assert len(list(tmp_path.iterdir())) <= 8  # what the killed left behind is gone


@pytest.mark.slow
def test_reading_while_another_process_saves(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(tmp_path), "exact", "1"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert process.stdout.readline() == b"saved\n"
    try:
        for _ in range(200):
            index = Index.load(tmp_path)
            assert len(set((index.ids % 1000).tolist())) == 1
    finally:
        process.kill()
        process.wait()
