"""The cache: where it lies, and how large it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.cache import cache_folder, cache_root, cache_sizes


def test_the_sizes_are_those_of_the_files_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    assert cache_sizes() == {}
    assert not cache_root().exists()  # asking makes nothing
    (cache_folder("weights") / "a").write_bytes(b"123")
    (cache_folder("aligned") / "set" / "01").mkdir(parents=True)
    (cache_folder("aligned") / "set" / "01" / "b").write_bytes(b"12345")
    (cache_folder("aligned") / "c").write_bytes(b"1")
    assert cache_sizes() == {"aligned": 6, "weights": 3}
    monkeypatch.delenv("LIKEWISE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "likewise"
