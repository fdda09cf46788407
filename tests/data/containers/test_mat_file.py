"""MATLAB files: read as SciPy reads them, and refused without harm when they are damaged."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from likewise.data.containers import mat_file
from likewise.data.containers.mat_file import read_mat
from likewise.errors import InputError


def plain(value: Any) -> Any:
    """What SciPy gives, in the form that ``read_mat`` gives."""
    if value.dtype.names:
        return [
            {name: plain(element[name]) for name in value.dtype.names}
            for element in value.reshape(-1, order="F")
        ]
    if value.dtype == object:
        return [plain(element) for element in value.reshape(-1, order="F")]
    return str(value[0]) if value.dtype.kind == "U" and value.size else value


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, str):
        return bool(one == other)
    return np.array_equal(one, other)


def sample(path: Path, *, compress: bool = True) -> Path:
    cells = np.empty((2, 2), object)
    cells[:] = [["a", "Zoë, größer"], [np.arange(6.0).reshape(2, 3), np.array([[2**40]])]]
    rows = np.empty((1, 3), [("name", object), ("x", object)])
    for place in range(3):
        rows[0, place] = (f"photo {place}", np.uint8(place))
    values = {"cells": cells, "rows": rows, "numbers": np.array([[1, -2], [3, 4]], np.int16)}
    scipy.io.savemat(path, values, do_compression=compress)
    return path


@pytest.mark.parametrize("compress", [True, False])
def test_it_is_read_as_scipy_reads_it(compress: bool, tmp_path: Path) -> None:
    path = sample(tmp_path / "a.mat", compress=compress)
    expected = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    found = read_mat(path)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert equal(plain(value), found[name]), name


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"\x89HDF" * 100)
    with pytest.raises(InputError, match="not a MATLAB file of level 5; save it .* -v7"):
        read_mat(path)


def test_damage_is_one_clear_line(tmp_path: Path) -> None:
    draw = random.Random(0)
    path = tmp_path / "a.mat"
    whole = sample(path, compress=False).read_bytes()
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: draw.choice([len(whole), draw.randrange(128, len(whole))])])
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(128, len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            read_mat(path)
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
    assert refused > 100


def test_the_bytes_after_decompression_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mat_file, "MAX_MAT_BYTES", 10_000)
    bomb = zlib.compress(bytes(1_000_000))
    path = tmp_path / "a.mat"
    start = b" " * 124 + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(start + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(InputError, match="more than 10,000 bytes when it is decompressed"):
        read_mat(path)


def test_more_elements_than_bytes_are_refused(tmp_path: Path) -> None:
    path = sample(tmp_path / "a.mat", compress=False)
    content = path.read_bytes()
    dims = struct.pack("<ii", 2, 2)
    assert dims in content
    path.write_bytes(content.replace(dims, struct.pack("<ii", 2**15, 2**15), 1))
    with pytest.raises(InputError, match="damaged MATLAB file .* arrays in"):
        read_mat(path)
