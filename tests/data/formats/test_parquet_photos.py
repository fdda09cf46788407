"""Parquet with photos inside: the project's own, and as the Hugging Face hub has it."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.data.formats import format_of, read_manifest
from likewise.data.writers.parquet import GROUP_BYTES, ParquetWriter
from likewise.errors import InputError
from tests.data.formats.samples import PHOTOS, write_parquet
from tests.data.formats.test_tar_shards import contents

STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def test_what_is_written_is_read_and_is_plain_parquet(tmp_path: Path) -> None:
    first = write_parquet(tmp_path / "p")
    for source in (tmp_path / "p", first):
        manifest = read_manifest(source)
        assert contents(manifest) == PHOTOS
        assert contents(pickle.loads(pickle.dumps(manifest))) == PHOTOS
    rows = pq.read_table(first).to_pylist()
    assert [(r["image"]["path"], r["identity"], r["image"]["bytes"]) for r in rows] == PHOTOS


def test_row_groups_are_small_and_parts_end_with_the_state(tmp_path: Path) -> None:
    writer = ParquetWriter(tmp_path)
    rng = np.random.default_rng(0)
    photos = [(f"{n}.jpg", str(n % 3), rng.bytes(300_000)) for n in range(12)]
    for number, photo in enumerate(photos):
        writer.write(*photo)
        if number == 7:
            assert writer.state() == {"parts": 1}
    writer.finish()
    parts = sorted(tmp_path.glob("*.parquet"))
    assert [pq.read_metadata(part).num_rows for part in parts] == [8, 4]
    told = pq.read_metadata(parts[0])
    sizes = [told.row_group(g).total_byte_size for g in range(told.num_row_groups)]
    assert max(sizes) <= GROUP_BYTES + 10_000
    manifest = read_manifest(tmp_path)
    assert contents(manifest) == photos
    assert manifest.store is not None
    store, wrong = manifest.store, []

    def read(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(12).tolist()
        places = manifest.table["place"].to_pylist()
        wrong.extend(row for row in order if store.read(places[row]) != photos[row][2])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    for place in (-1, 8, 1 << 40 | 4, 2 << 40):
        with pytest.raises(InputError):
            store.read(place)


def test_the_hub_s_way(tmp_path: Path) -> None:
    """ClassLabel, names that repeat, other columns; a photo that is a file of its own."""
    features = {"label": {"names": ["anna", "Zoë"], "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": pa.array(
                [
                    {"bytes": b"1", "path": "0.jpg"},
                    {"bytes": b"2", "path": "0.jpg"},
                    {"bytes": None, "path": "own.jpg"},
                    {"bytes": None, "path": None},
                    {"bytes": None, "path": "../secret.jpg"},
                ],
                STRUCT,
            ),
            "label": [1, 0, 1, 1, 0],
            "age": [30, 40, 50, 60, 70],
            "mask": [b"big"] * 5,
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (tmp_path / "hub").mkdir()
    path = tmp_path / "hub" / "train.parquet"
    pq.write_table(table, path, row_group_size=2)
    (tmp_path / "hub" / "own.jpg").write_bytes(b"3")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    manifest = read_manifest(path)
    assert manifest.table["identity"].to_pylist() == ["Zoë", "anna", "Zoë", "Zoë", "anna"]
    assert manifest.table.column_names == ["path", "identity", "place", "age"]
    assert manifest.names[:2] == ["000000000/0.jpg", "000000001/0.jpg"]
    assert contents(manifest.take([0, 1, 2]))[2][2] == b"3"
    with pytest.raises(InputError, match="row 4: no photo"):
        contents(manifest.take([3]))
    with pytest.raises(InputError, match="points outside"):
        contents(manifest.take([4]))


def test_other_parquet_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"path": ["a"], "identity": ["b"]}), path)
    assert format_of(path).name == "table"
    vectors = pa.array([[1.0]], pa.list_(pa.float32(), 1))
    pq.write_table(pa.table({"path": ["a"], "identity": ["b"], "vector": vectors}), path)
    assert format_of(path).name == "table"
    pq.write_table(pa.table({"image": [b"a"], "identity": ["b"], "path": ["c"]}), path)
    assert format_of(path).name == "parquet"
    assert contents(read_manifest(path)) == [("c", "b", b"a")]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"image": [b"a"]}, "no column identity or label"),
        ({"image": [b"a"], "label": pa.array([None], pa.int64())}, "row 1: label is empty"),
        ({"image": [b"a"], "identity": [""]}, "row 1: identity is empty"),
        ({"image": [b"a"], "identity": [1.5]}, "identity: holds double; must hold text"),
        ({"image": pa.array([], pa.binary()), "identity": pa.array([], pa.string())}, "no photos"),
    ],
)
def test_refused(columns: dict[str, object], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InputError, match=problem) as caught:
        read_manifest(path)
    assert "x.parquet" in str(caught.value)


def test_a_label_of_no_class(tmp_path: Path) -> None:
    meta = {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["a"]}}}})}
    table = pa.table({"image": [b"a", b"b"], "label": [0, 1]}).replace_schema_metadata(meta)
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match="row 2: label 1 of 1 classes"):
        read_manifest(tmp_path / "x.parquet")


def test_few_bytes_that_swell_to_many_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.parquet"
    image = pa.array([bytes(2**18)] * 100)  # a dictionary of one photo
    pq.write_table(pa.table({"image": image, "identity": ["a"] * 100}), path, compression="zstd")
    monkeypatch.setattr("likewise.data.formats.parquet_photos.MAX_GROUP", 8 * 2**20)
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match="when decoded|row group of"):
        contents(read_manifest(path))
    many = pa.array(["a"]).take(pa.array(np.zeros(200_000, np.int64)))
    empty = pa.array([b""]).take(pa.array(np.zeros(200_000, np.int64)))
    pq.write_table(pa.table({"image": empty, "identity": many}), path, compression="zstd")
    with pytest.raises(InputError, match="claims 200,000 photos"):
        read_manifest(path)


def test_a_row_group_too_large_for_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("likewise.data.formats.parquet_photos.MAX_GROUP", 1000)
    path = write_parquet(tmp_path / "p")
    with pytest.raises(InputError, match="row groups of 64 MiB or less"):
        contents(read_manifest(path))


def test_parts_that_differ(tmp_path: Path) -> None:
    write_parquet(tmp_path / "p")
    pq.write_table(pa.table({"image": [b"a"], "label": [1]}), tmp_path / "p" / "part-00001.parquet")
    with pytest.raises(InputError, match="part-00001"):
        read_manifest(tmp_path / "p")
