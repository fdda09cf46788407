"""The folder of an index: who writes there, and what stays the user's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from likewise.errors import InputError, LikewiseError
from likewise.search.index import Index
from likewise.search.storage import folder as folder_module
from likewise.search.storage import store as store_module
from likewise.search.storage.folder import LOCK, locked_folder
from tests.search.cases import index_of

ONES = [
    "vectors-a.npy", "vectors-2024.npy", "ids-a.txt", "items-backup/precious", "factor-1.npy",
    "gone-fishing.txt", "fresh_vectors-1.npy", "engine-docs/readme", ".notes.tmp", ".engine.cfg",
    "vectors-0123456789abcdef.txt", "items-0123456789abcdef.npy", "engine-0123456789abcdef",
    "vectors-0123456789abcdef.npy/a", ".vectors.0123456.tmp", "engine-0123456789abcdefs/a",
]  # fmt: skip


def test_what_only_resembles_our_files_stays(tmp_path: Path) -> None:
    for name in ONES:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    index = index_of("hnsw")
    for _ in range(2):
        index.save(tmp_path)
        index.remove(index.ids[:1])
    assert [name for name in ONES if not (tmp_path / name).is_file()] == []
    assert len(Index.load(tmp_path)) == len(index) + 1


def test_what_killed_saves_left_behind_goes(tmp_path: Path) -> None:
    for name in (
        ".vectors.0123abcd.tmp", ".index.json.0123abcd.tmp", "items-0123456789abcdef.parquet",
        ".engine.0123abcd.tmp/part", "engine-0123456789abcdef/engine.faiss", LOCK,
    ):  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    Index.build(np.eye(2)).save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_without_locks_only_what_the_old_header_lists_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "_locked", lambda _: None)
    Index.build(np.eye(2)).save(tmp_path)
    other = tmp_path / ".vectors.0123abcd.tmp"  # of a save at work, perhaps
    other.touch()
    Index.build(np.eye(3)).save(tmp_path)
    assert len(Index.load(tmp_path)) == 3
    assert len(list(tmp_path.iterdir())) == 4
    assert other.exists()


def test_threads_that_save_into_one_folder(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    ones = [Index.build(random.normal(size=(n, 4)), np.arange(n)) for n in (50, 70)]
    ones[0].save(tmp_path)
    problems: list[BaseException] = []

    def again(index: Index) -> None:
        try:
            for _ in range(15):
                index.save(tmp_path)
                assert len(Index.load(tmp_path)) in (50, 70)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=again, args=(index,)) for index in ones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(list(tmp_path.iterdir())) == 3


SAVER = """
import sys
import numpy as np
from likewise.search.index import Index

count = int(sys.argv[2])
index = Index.build(np.random.default_rng(count).normal(size=(count, 4)))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    index.save(sys.argv[1])
"""


def test_processes_that_save_into_one_folder(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(tmp_path), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for count in (50, 70)
    ]
    Index.build(np.eye(50)).save(tmp_path)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    while any(process.poll() is None for process in processes):
        assert len(Index.load(tmp_path)) in (50, 70)
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    code = (
        "import sys; from pathlib import Path\n"
        "from likewise.search.storage.folder import locked_folder\n"
        "with locked_folder(Path(sys.argv[1])) as locked:\n"
        "    print(locked, flush=True); sys.stdin.readline()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    saver = threading.Thread(target=Index.build(np.eye(2)).save, args=(tmp_path,), daemon=True)
    saver.start()
    saver.join(0.3)
    assert saver.is_alive()  # it waits
    assert not (tmp_path / "index.json").exists()
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    saver.join(30)
    assert not saver.is_alive()
    assert len(Index.load(tmp_path)) == 2
    assert not (tmp_path / LOCK).exists()


def test_a_load_reads_again_what_was_saved_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it the same index once more, whose files were away for a moment."""
    first, second = Index.build(np.eye(2)), Index.build(np.eye(3))
    first.save(tmp_path)
    read = store_module.read_header
    turns = iter([[second], [first], [second, first]])

    def slowly(folder: Path) -> dict[str, object]:
        header = read(folder)
        for index in next(turns, []):
            index.save(folder)
        return header

    monkeypatch.setattr(store_module, "read_header", slowly)
    assert len(Index.load(tmp_path)) == 2


@pytest.mark.parametrize("name", ["hnsw", "ivf_flat", "scalar"])
def test_building_again_mends_a_damaged_index(name: str, tmp_path: Path) -> None:
    """The same engine has the same name, under which the damaged one lies."""
    index = index_of(name)
    index.save(tmp_path)
    names = sorted(path.name for path in tmp_path.rglob("*"))
    (file,) = tmp_path.glob("engine-*/*")
    good = file.read_bytes()

    def flip() -> None:
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    for damage in (
        flip,
        lambda: file.write_bytes(good[:-1]),
        file.unlink,
        lambda: file.with_name("more").touch(),
        lambda: next(tmp_path.glob("vectors-*")).write_bytes(b"x"),
    ):
        damage()
        with pytest.raises(InputError):
            Index.load(tmp_path)
        index.save(tmp_path)
        assert len(Index.load(tmp_path)) == len(index)
        assert sorted(path.name for path in tmp_path.rglob("*")) == names


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    file.touch()
    with pytest.raises(LikewiseError, match=r"a.npy is a file, not a folder; choose another"):
        Index.build(np.eye(2)).save(file / "index")
    with (
        pytest.raises(LikewiseError, match=r"it is a file, not a folder; choose another"),
        locked_folder(file),
    ):
        pass
