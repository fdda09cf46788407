"""The alignment of faces is read, carried along, and two of them are not mixed in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from likewise.data.alignment import (
    ALIGNMENT_FILE,
    _warn_once,
    read_alignment,
    template_of,
    warn_of_two_alignments,
    write_alignment,
)
from likewise.data.convert import convert
from likewise.data.embeddings import Embeddings, read_embeddings, write_embeddings
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.search.index import Index

ARCFACE, FFHQ = "arcface-112 yunet+onet", "ffhq-512 yunet+onet"


@pytest.fixture(autouse=True)
def nothing_was_warned_of() -> Iterator[None]:
    _warn_once.cache_clear()
    yield
    _warn_once.cache_clear()


@pytest.fixture
def crops(photos: Path) -> Path:
    """A folder of photos that are recorded as aligned."""
    write_alignment(photos, ARCFACE, counts={"one": 12})
    return photos


def test_the_template_is_what_counts() -> None:
    assert [template_of(text) for text in (ARCFACE, "arcface", "my-own-64 x", "my-own")] == [
        "arcface", "arcface", "my-own", "my-own",
    ]  # fmt: skip


def test_a_manifest_knows_its_alignment_and_its_parts_do(
    crops: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = read_manifest(crops)
    assert manifest.alignment == ARCFACE
    assert manifest.take([1]).alignment == manifest.slice(slice(2)).alignment == ARCFACE
    assert manifest.split("test").alignment == ARCFACE
    assert caplog.text == ""
    assert read_manifest(crops).fingerprint == replace(manifest, alignment=None).fingerprint


def test_a_table_of_aligned_photos_knows_it_too(crops: Path, tmp_path: Path) -> None:
    write_table(read_manifest(crops), tmp_path / "list.csv")
    assert read_manifest(tmp_path / "list.csv", crops).alignment == ARCFACE
    write_alignment(tmp_path, FFHQ)  # lies beside the table, not beside the photos
    assert read_manifest(tmp_path / "list.csv", crops).alignment == ARCFACE


@pytest.mark.parametrize("format", ["folder", "recordio", "tar", "parquet"])
def test_every_conversion_carries_it(format: str, crops: Path, tmp_path: Path) -> None:
    convert(crops, tmp_path / "out", format)
    found = read_manifest(tmp_path / "out")
    assert found.alignment == ARCFACE
    assert len(found) == 12
    for file in (tmp_path / "out").glob("*.rec"):
        assert read_manifest(file).alignment == ARCFACE


def test_photos_without_a_record_have_none(photos: Path, tmp_path: Path) -> None:
    assert read_manifest(photos).alignment is None
    convert(photos, tmp_path / "out", "tar")
    assert not (tmp_path / "out" / ALIGNMENT_FILE).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"alignment": "arcface-112"}', b"\xff", b"[" * 100_000,
        json.dumps({"format": "likewise alignment 1", "alignment": "a\nb"}).encode(),
        json.dumps({"format": "likewise alignment 1", "alignment": "Not A Name"}).encode(),
        json.dumps({"format": "likewise alignment 1", "alignment": 3}).encode(),
        b" " * (2**20 + 1),
    ],
)  # fmt: skip
def test_another_file_of_that_name_is_no_record(content: bytes, photos: Path) -> None:
    (photos / ALIGNMENT_FILE).write_bytes(content)
    assert read_alignment(photos) is None
    assert len(read_manifest(photos)) == 12


def embeddings(alignment: str | None) -> Embeddings:
    vectors = np.eye(3, dtype=np.float32)
    return Embeddings(vectors, pa.table({"path": ["a/1", "a/2", "b/1"]}), "f", alignment)


def test_embeddings_keep_it_and_old_files_have_none(tmp_path: Path) -> None:
    write_embeddings(embeddings(ARCFACE), tmp_path / "e.parquet")
    assert read_embeddings(tmp_path / "e.parquet").alignment == ARCFACE
    write_embeddings(embeddings(None), tmp_path / "old.parquet")
    assert b"alignment" not in (tmp_path / "old.parquet").read_bytes()
    assert read_embeddings(tmp_path / "old.parquet").alignment is None


def test_an_index_keeps_it(tmp_path: Path) -> None:
    index = Index.build(np.eye(3))
    index.save(tmp_path / "none")
    assert Index.load(tmp_path / "none").alignment is None
    index.alignment = ARCFACE
    index.save(tmp_path / "index")
    assert Index.load(tmp_path / "index").alignment == ARCFACE


def test_two_templates_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        warn_of_two_alignments("arcface", FFHQ, "photos/ and the model")
    (line,) = caplog.messages
    assert line.startswith("photos/ and the model: faces aligned to 'arcface' and to 'ffhq'")
    assert "likewise data align" in line
    caplog.clear()
    for left, right in ((None, FFHQ), ("arcface", None), ("arcface", ARCFACE),
                        (ARCFACE, "arcface-224 centerface+onet")):  # fmt: skip
        warn_of_two_alignments(left, right, "elsewhere")
    assert caplog.text == ""
