"""Indexes made on purpose, whose checksums fit: refused where they are loaded."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.errors import InputError
from likewise.search.engines.engine import Engine
from likewise.search.families import FAMILIES
from likewise.search.index import Index
from likewise.search.storage.checked_files import engine_name
from likewise.search.storage.header import with_checksum
from tests.search.cases import COUNT, EACH, ITEMS, LIGHT, QUERIES, VECTORS, index_of

Header = dict[str, Any]


class Forger:
    """An index that is changed and with_checksum again."""

    def __init__(self, index: Index, folder: Path) -> None:
        self.folder = index.save(folder)
        self.header: Header = json.loads((folder / "index.json").read_bytes())
        self.header.pop("sha256")

    def seal(self) -> None:
        (self.folder / "index.json").write_bytes(with_checksum(self.header))

    def put(self, name: str, content: bytes, suffix: str = ".npy") -> None:
        digest = hashlib.sha256(content).hexdigest()
        file = f"{name}-{digest[:16]}{suffix}"
        (self.folder / file).write_bytes(content)
        self.header["files"][name] = {"file": file, "sha256": digest, "bytes": len(content)}
        self.seal()

    def put_array(self, name: str, array: np.ndarray) -> None:
        self.put(name, npy(array))

    @property
    def home(self) -> Path:
        return self.folder / str(self.header["engine_files"]["folder"])

    def put_engine(self) -> None:
        """List the engine's files as they are now."""
        files = {}
        for path in self.home.iterdir():
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            files[path.name] = {"sha256": digest, "bytes": len(content)}
        name = engine_name(files)
        self.home.rename(self.folder / name)
        self.header["engine_files"] = {"files": files, "folder": name}
        self.seal()

    def refused(self, problem: str) -> None:
        for mmap in (True, False):
            with pytest.raises(InputError, match=problem) as caught:
                Index.load(self.folder, mmap=mmap)
            line = str(caught.value)
            assert line.startswith(str(self.folder))
            assert "\n" not in line


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_header(shape: object, kind: object = "<i8", by_columns: object = False) -> bytes:
    stream = io.BytesIO()
    told: Any = {"descr": kind, "fortran_order": by_columns, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, told)
    return stream.getvalue()


@pytest.fixture
def forger(tmp_path: Path) -> Forger:
    index = Index.build(VECTORS[:40], items=ITEMS.slice(0, 40))
    index.remove([3])
    index.add(QUERIES[:2], [3, 100], ITEMS.slice(0, 2))
    return Forger(index, tmp_path)


def test_the_forger_changes_nothing_by_himself(forger: Forger) -> None:
    forger.put_array("ids", np.arange(40))
    assert len(Index.load(forger.folder)) == 41


@pytest.mark.parametrize(
    "content",
    [
        npy_header((2**44,)),
        npy_header((2**63, 2**63)),
        npy_header((40,)),
        npy_header((40,)) + bytes(40 * 8 + 1),
        npy_header((40,), "<f8") + bytes(40 * 8),
        npy_header((20, 2)) + bytes(40 * 8),
        npy_header((-40,)) + bytes(40 * 8),
        npy_header((40,), "|O") + bytes(40 * 8),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000,
        b"",
        b"no array",
    ],
)
def test_an_array_that_is_not_what_the_header_says(content: bytes, forger: Forger) -> None:
    forger.put("ids", content)
    forger.refused(r"ids-\w+.npy: does not hold 40 numbers \(int64\)")


@pytest.mark.parametrize("name", ["vectors", "fresh_vectors"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(name: str, value: float, forger: Forger) -> None:
    rows = 40 if name == "vectors" else 2
    for place in ((0, 0), (rows - 1, -1)):
        array = VECTORS[:rows].copy()
        array[place] = value
        forger.put_array(name, array)
        forger.refused(rf"/{name}-\w+.npy: holds numbers that are not finite")


def test_numbers_far_into_a_file(tmp_path: Path) -> None:
    vectors = np.ones((50_000, 16), np.float32)  # some blocks long
    forger = Forger(Index.build(vectors, metric="euclidean"), tmp_path)
    vectors[43_210, 5] = np.inf
    forger.put_array("vectors", vectors)
    forger.refused("not finite")


def test_ids_that_come_twice(forger: Forger) -> None:
    forger.put_array("ids", np.r_[np.arange(39), 7])
    forger.refused("id 7 occurs twice")
    forger.put_array("ids", np.arange(40))
    for fresh, number in (([100, 100], 100), ([5, 100], 5)):
        forger.put_array("fresh_ids", np.array(fresh))
        forger.refused(f"id {number} occurs twice")


@pytest.mark.parametrize(
    "change",
    [
        {"count": -1}, {"count": 2**70}, {"count": True}, {"count": "40"}, {"count": None},
        {"dimension": 10**30}, {"dimension": -24}, {"fresh": 3}, {"fresh": -2}, {"metric": "magic"},
        {"metric": "mahalanobis"}, {"metric": 3}, {"settings": {"lists": 3}}, {"settings": 3},
        {"search_settings": {"bogus": 1}}, {"evidence": [1]}, {"files": {}}, {"files": []},
        {"engine_files": {}}, {"engine_files": {"folder": "..", "files": {}}},
        {"engine_files": {"folder": None, "files": {"a": {}}}}, {"engine": "hnsw"},
    ],
)  # fmt: skip
def test_a_header_that_is_not_ours(change: Header, forger: Forger) -> None:
    forger.header |= change
    forger.seal()
    forger.refused("damaged|unknown|parameter|index.json|as its header says")


def test_files_elsewhere(forger: Forger, tmp_path: Path) -> None:
    content = npy(np.arange(40))
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path.parent / f"ids-{digest[:16]}.npy").write_bytes(content)
    for file in (f"../ids-{digest[:16]}.npy", str(tmp_path.parent / f"ids-{digest[:16]}.npy")):
        forger.header["files"]["ids"] |= {"file": file, "sha256": digest, "bytes": len(content)}
        forger.seal()
        forger.refused("index.json: damaged")


def test_items_of_another_length(forger: Forger) -> None:
    stream = pa.BufferOutputStream()
    pq.write_table(ITEMS.slice(0, 39), stream)
    forger.put("items", stream.getvalue().to_pybytes(), ".parquet")
    forger.refused(r"items-\w+.parquet: 39 rows, not 40")
    forger.put("items", b"PAR1 no table PAR1", ".parquet")
    forger.refused(r"items-\w+.parquet: cannot be read")


def other_engines(name: str) -> dict[str, Callable[[], Engine]]:
    """Engines of the family over other vectors, and those of others of the same library."""
    metric = FAMILIES[name].metrics[0]
    light = LIGHT.get(name)

    def over(vectors: np.ndarray, family: str = name, metric: str = metric) -> Engine:
        return Index.build(vectors, family=family, settings=light, metric=metric).engine

    narrow = VECTORS[:, :16]
    found: dict[str, Callable[[], Engine]] = {
        "fewer": lambda: over(VECTORS[:-1]),
        "narrower": lambda: over(narrow),
    }
    if name == "usearch":
        found["metric"] = lambda: over(VECTORS, metric="euclidean")
    if name == "hnsw":
        found["another"] = lambda: index_of("ivf_flat").engine
        found["metric"] = lambda: over(VECTORS, metric="euclidean")
    if name == "ivf_flat":
        found["another"] = lambda: index_of("scalar").engine
    return found


@pytest.mark.parametrize("name", EACH)
def test_an_engine_over_other_vectors(name: str, tmp_path: Path) -> None:
    if name == "exact":
        pytest.skip("has no files")
    for turn, engine in other_engines(name).items():
        forger = Forger(index_of(name), tmp_path / turn)
        assert len(Index.load(forger.folder)) == COUNT
        for path in forger.home.iterdir():
            path.unlink()
        engine().save(forger.home)
        forger.put_engine()
        forger.refused("/engine-")
        rebuilt = Index.load(forger.folder, rebuild=True)
        assert len(rebuilt) == COUNT
        assert rebuilt.engine.name == name


def test_an_engine_folder_elsewhere(tmp_path: Path) -> None:
    forger = Forger(index_of("ivf_flat"), tmp_path / "index")
    shutil.copytree(forger.home, tmp_path / forger.home.name)
    own = forger.header["engine_files"]["folder"]
    for folder in ("..", f"../{own}", str(tmp_path / own), ".", "", None, "engine-" + 16 * "0"):
        forger.header["engine_files"]["folder"] = folder
        forger.seal()
        forger.refused("engine_files")
    file = next(iter(forger.header["engine_files"]["files"].items()))
    files = {f"../../{own}/{file[0]}": file[1]}
    forger.header["engine_files"] = {"files": files, "folder": engine_name(files)}
    forger.seal()
    forger.refused("engine_files")


def test_scann_stays_in_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("scann", reason="the extra scann is not installed")
    forger = Forger(index_of("scann"), tmp_path / "index")
    outside = tmp_path / "outside"
    shutil.copytree(forger.home, outside)
    list_of = forger.home / "scann_assets.pbtxt"
    text = list_of.read_text()
    for form in (
        text.replace('asset_path: "', f'asset_path: "{outside}/'),
        text.replace('asset_path: "', 'asset_path: "../../outside/'),
        text.replace('asset_path: "', 'asset_path: "..\\057..\\057outside\\057'),
        text.replace('asset_path: "', 'asset_path: "../../outside/" "'),
        text.replace("assets {", "assets <").replace("}", ">"),
        "",
    ):
        list_of.write_text(form)
        forger.put_engine()
        list_of = forger.home / "scann_assets.pbtxt"
        forger.refused("names files that are not the index's")
    list_of.write_text(text)
    forger.put_engine()
    assert len(Index.load(forger.folder)) == COUNT


@pytest.mark.parametrize("name", ["hnsw", "scalar", "exact"])
def test_rebuilt_on_loading(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's files are not even looked at."""
    index = index_of(name)
    index.remove(index.ids[:3])
    index.add(QUERIES[:1], [1], ITEMS.slice(0, 1))
    index.save(tmp_path)
    for folder in tmp_path.glob("engine-*"):
        shutil.rmtree(folder)
    monkeypatch.setattr(FAMILIES[name], "load", None)
    back = Index.load(tmp_path, rebuild=True)
    assert back.engine.name == name
    assert back.ids.tolist() == index.ids.tolist()
    assert back.search(VECTORS[10:20], 1)[1].tolist() == index.search(VECTORS[10:20], 1)[1].tolist()
