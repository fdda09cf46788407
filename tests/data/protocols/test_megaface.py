"""MegaFace's lists and feature matrices, against NumPy's own reading of the bytes."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from likewise.data.protocols.megaface import (
    MegaFaceList,
    read_features,
    read_list,
    read_matrix,
    read_noise,
    write_list,
    write_matrix,
)
from likewise.errors import InputError
from tests.data.protocols.hostile import SEEDS, cut_short_everywhere, damaged, fuzz, survives

LIST = b'{"path": ["a/1.jpg", "a/2.jpg", "b/1.jpg"], "id": ["a", "a", 7]}'
FEATURE = struct.pack("<4i", 3, 1, 4, 5) + np.arange(3, dtype="<f4").tobytes()


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_feature_is_as_the_devkit_writes_it(tmp_path: Path) -> None:
    write_matrix(tmp_path / "f.bin", [0.0, 1.0, 2.0])
    assert (tmp_path / "f.bin").read_bytes() == FEATURE
    assert read_matrix(tmp_path / "f.bin").tolist() == [[0.0], [1.0], [2.0]]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32))
)
def test_matrices_come_back(tmp_path: Path, matrix: np.ndarray) -> None:
    write_matrix(tmp_path / "m.bin", matrix)
    np.testing.assert_array_equal(read_matrix(tmp_path / "m.bin"), matrix)


@pytest.mark.parametrize(
    ("header", "size", "problem"),
    [
        ((3, 1, 4, 6), 12, "type 6; 5"),
        ((3, 1, 8, 5), 12, "damaged"),
        ((0, 1, 4, 5), 0, "damaged"),
        ((-1, 1, 4, 5), 12, "damaged"),
        ((2**31 - 1, 1, 4, 5), 12, "need 8589934604 bytes, the file has 28"),
        ((2**31 - 1, 2**29 - 1, 2**31 - 4, 5), 12, "the file has 28"),
        ((2, 1, 4, 5), 12, "need 24 bytes, the file has 28"),
    ],
)
def test_headers_that_lie(header: tuple[int, ...], size: int, problem: str, tmp_path: Path) -> None:
    path = written(tmp_path / "f.bin", struct.pack("<4i", *header) + bytes(size))
    tracemalloc.start()
    with pytest.raises(InputError, match=problem):
        read_matrix(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for matrix in (np.zeros((1, 1, 1)), np.zeros(0)):
        with pytest.raises(InputError, match="matrix: expected"):
            write_matrix(tmp_path / "f.bin", matrix)


def test_lists(tmp_path: Path) -> None:
    found = read_list(written(tmp_path / "l.json", LIST))
    assert found == MegaFaceList(["a/1.jpg", "a/2.jpg", "b/1.jpg"], ["a", "a", "7"])
    write_list(found, tmp_path / "again.json")
    assert read_list(tmp_path / "again.json") == found
    distractors = MegaFaceList(["x.jpg"], None)
    write_list(distractors, tmp_path / "d.json")
    assert read_list(tmp_path / "d.json") == distractors


def test_noise_is_left_out(tmp_path: Path) -> None:
    content = "# noise\n\na/2.jpg\nIdentity\tc/9.jpg\n1.jpg\n"
    noise = read_noise(written(tmp_path / "noise.txt", content))
    assert noise == {"a/2.jpg", "c/9.jpg", "1.jpg"}
    found = read_list(written(tmp_path / "l.json", LIST))
    assert found.without(frozenset({"a/2.jpg"})) == MegaFaceList(["a/1.jpg", "b/1.jpg"], ["a", "7"])
    assert found.without(noise) == MegaFaceList([], [])
    assert MegaFaceList(["x.jpg"], None).without(noise).ids is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not valid JSON"),
        (b"[]", "expected"),
        (b'{"path": "a"}', "expected"),
        (b'{"path": ["a", null]}', "path: entry 1 is not text"),
        (b'{"path": ["a"], "id": ["a", "b"]}', "id: expected a list as long as path, 1"),
        (b'{"path": ["a"], "id": [true]}', "id: entry 0 is not text"),
        (b'{"path": ["\xff"]}', "not a text file"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"path": [' + b"9" * 10_000 + b"]}", "not valid JSON"),
    ],
    ids=["empty", "list", "text", "null", "ids", "bool", "utf8", "deep", "number"],
)
def test_bad_lists(content: bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_list(written(tmp_path / "l.json", content))


def test_features_of_a_list(tmp_path: Path) -> None:
    listed = read_list(written(tmp_path / "l.json", LIST))
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    for name, vector in zip(listed.paths, vectors, strict=True):
        write_matrix(tmp_path / f"{name}_net.bin", vector)
    found = read_features(listed, tmp_path, "_net.bin")
    np.testing.assert_array_equal(found.vectors, vectors)
    assert found.names == listed.paths
    assert found.items["identity"].to_pylist() == ["a", "a", "7"]
    write_matrix(tmp_path / "a/2.jpg_net.bin", vectors[:1])  # one row: still one feature
    assert read_features(listed, tmp_path, "_net.bin").vectors.shape == (3, 5)
    for bad, problem in (
        (vectors[0, :4], r"2\.jpg_net\.bin: 4 numbers, but the first has 5"),
        (vectors[:2], "2×5 is not one feature"),
        (np.full(5, np.nan), r"2\.jpg_net\.bin: a number is not finite"),
    ):
        write_matrix(tmp_path / "a/2.jpg_net.bin", bad)
        with pytest.raises(InputError, match=problem):
            read_features(listed, tmp_path, "_net.bin")
    with pytest.raises(InputError, match="points outside"):
        read_features(MegaFaceList(["../l.json"], None), tmp_path / "a", "")
    with pytest.raises(InputError, match="no such file"):
        read_features(listed, tmp_path, "_other.bin")
    with pytest.raises(InputError, match="has no photos"):
        read_features(MegaFaceList([], None), tmp_path)


def test_cut_short_at_every_byte(tmp_path: Path) -> None:
    assert cut_short_everywhere(read_matrix, tmp_path / "f.bin", FEATURE) == 0
    assert cut_short_everywhere(read_list, tmp_path / "l.json", LIST) == 0


READERS = [(read_matrix, "f.bin", FEATURE), (read_list, "l.json", LIST)]


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_files(tmp_path: Path, seed: int) -> None:
    read, name, content = READERS[seed % 2]
    survives(read, tmp_path / name, damaged(content, np.random.default_rng(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_ten_thousand_damaged_files(which: int, tmp_path: Path) -> None:
    read, name, content = READERS[which]
    fuzz(read, tmp_path / name, content, 10_000)


def test_the_golden_json_is_python_json(tmp_path: Path) -> None:
    write_list(MegaFaceList(["ä b/1.jpg"], ["Zoë"]), tmp_path / "l.json")
    assert json.loads((tmp_path / "l.json").read_text()) == {"path": ["ä b/1.jpg"], "id": ["Zoë"]}
