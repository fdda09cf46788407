"""Damaged and hostile files: one clear line, or the photos; never anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from likewise.data.formats import read_manifest
from likewise.data.store import StoredPhoto
from likewise.errors import InputError
from tests.data.formats.samples import damaged, write_huggingface, write_parquet, write_tar

SAMPLES: dict[str, Callable[[Path], Path]] = {
    "tar": write_tar,
    "parquet": write_parquet,
    "huggingface": write_huggingface,
}


def read_all(source: Path) -> int:
    """Read every photo of a source that may be damaged; returns how many could be."""
    try:
        manifest = read_manifest(source)
    except InputError as error:
        assert "\n" not in str(error)
        assert str(source) in str(error)
        return 0
    count = 0
    for photo in manifest.photos():
        try:
            assert isinstance(photo, StoredPhoto)
            assert isinstance(photo.read(), bytes)
            count += 1
        except InputError as error:
            assert "\n" not in str(error)
            assert str(source) in str(error)
    return count


def fuzz(kind: str, folder: Path, cases: range) -> None:
    file = SAMPLES[kind](folder / kind)
    whole = file.read_bytes()
    assert read_all(file.parent) == 5
    for seed in cases:
        file.write_bytes(damaged(whole, np.random.default_rng(seed)))
        read_all(file.parent)


@pytest.mark.parametrize("kind", SAMPLES)
def test_accidents(kind: str, tmp_path: Path) -> None:
    fuzz(kind, tmp_path, range(200))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLES)
def test_many_accidents(kind: str, tmp_path: Path) -> None:
    fuzz(kind, tmp_path, range(1000, 11_000))


@pytest.mark.parametrize("kind", SAMPLES)
def test_cut_short_anywhere_is_refused(kind: str, tmp_path: Path) -> None:
    file = SAMPLES[kind](tmp_path / kind)
    whole = file.read_bytes()
    for size in np.linspace(0, len(whole) - 1, 120, dtype=int).tolist():
        file.write_bytes(whole[:size])
        if kind == "tar" and not any(whole[size:]) and size >= len(whole) - 9 * 512:
            continue  # what lies behind the end mark is filling
        with pytest.raises(InputError, match=file.name.split(".")[0]):
            read_manifest(file.parent)
