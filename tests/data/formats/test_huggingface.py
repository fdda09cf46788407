"""Datasets as ``save_to_disk`` lays them out, read without their package."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from likewise.data.formats import read_manifest
from likewise.errors import InputError
from tests.data.formats.samples import PHOTOS, write_huggingface
from tests.data.formats.test_tar_shards import contents


@pytest.mark.parametrize(
    "kind",
    [
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        pa.struct({"path": pa.large_string(), "bytes": pa.large_binary()}),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_photos_names_and_classes(kind: pa.DataType, batch: int, tmp_path: Path) -> None:
    write_huggingface(tmp_path / "d", kind=kind, batch=batch)
    manifest = read_manifest(tmp_path / "d")
    assert contents(manifest) == PHOTOS
    assert contents(pickle.loads(pickle.dumps(manifest))) == PHOTOS
    assert manifest.table["age"][0].as_py() == 30
    assert manifest.store is not None
    for place in (-1, 5):
        with pytest.raises(InputError):
            manifest.store.read(place)


def test_plain_bytes_get_numbers_for_names(tmp_path: Path) -> None:
    write_huggingface(tmp_path / "d", kind=pa.binary())
    found = contents(read_manifest(tmp_path / "d"))
    assert [data for *_, data in found] == [data for *_, data in PHOTOS]
    assert found[3][0] == "000000003/photo"


def test_a_dict_of_splits(tmp_path: Path) -> None:
    for split, photos in (("train", PHOTOS[:3]), ("validation", PHOTOS[3:4]), ("test", PHOTOS[4:])):
        write_huggingface(tmp_path / split, photos)
    listing = tmp_path / "dataset_dict.json"
    listing.write_text('{"splits": ["train", "validation", "test"]}')
    manifest = read_manifest(tmp_path)
    assert contents(manifest) == PHOTOS
    assert manifest.table["split"].to_pylist() == ["train"] * 3 + ["val", "test"]
    assert contents(manifest.split("val")) == PHOTOS[3:4]
    for splits, problem in (('["dreams"]', "'dreams'"), ("7", "no list"), ('["../x"]', "'../x'")):
        listing.write_text(f'{{"splits": {splits}}}')
        with pytest.raises(InputError, match=problem):
            read_manifest(tmp_path)


def test_photos_that_are_files_stay_in_the_root(tmp_path: Path) -> None:
    photos = [("own.jpg", "anna", None), ("../out.jpg", "anna", None), ("/etc/passwd", "bob", None)]
    write_huggingface(tmp_path / "d", photos)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "own.jpg").write_bytes(b"mine")
    (tmp_path / "out.jpg").write_bytes(b"not mine")
    manifest = read_manifest(tmp_path / "d", tmp_path / "photos")
    assert contents(manifest.take([0]))[0][2] == b"mine"
    for row in (1, 2):
        with pytest.raises(InputError, match="points outside"):
            contents(manifest.take([row]))


def test_identities_that_share_their_text(tmp_path: Path) -> None:
    file = write_huggingface(tmp_path / "d")
    with file.open("rb") as stream:
        table = pa.ipc.open_stream(stream.read()).read_all()
    names = pa.array([identity for _, identity, _ in PHOTOS]).dictionary_encode()
    table = table.set_column(1, "identity", names)
    with pa.ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table)
    assert contents(read_manifest(tmp_path / "d")) == PHOTOS
    huge = pa.array(["x" * 5000] * 5).dictionary_encode()
    table = table.set_column(1, "identity", huge)
    with pa.ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match="5,000 bytes is too long for a name"):
        read_manifest(tmp_path / "d")


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_batches_are_refused_before_they_are_decompressed(
    codec: str, encoded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_huggingface(tmp_path / "d")
    with file.open("rb") as stream:
        table = pa.ipc.open_stream(stream.read()).read_all()
    if encoded:  # the first compressed message is a dictionary
        table = table.set_column(1, table.column_names[1], table[1].dictionary_encode())
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(str(file), table.schema, options=options) as writer:
        writer.write_table(table)
    # Only the check of messages may find it, not what reads the batches.
    monkeypatch.delattr("likewise.data.formats.huggingface.photo_buffers")
    with pytest.raises(InputError, match="compressed"):
        read_manifest(tmp_path / "d")


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"_data_files": [{"filename": "../../x.arrow"}]}, "points outside"),
        ({"_data_files": [{"filename": "none.arrow"}]}, "none.arrow"),
        ({"_data_files": []}, "names no data files"),
        ({"_data_files": [7]}, "names no data files"),
        ({"_data_files": 7}, "names no data files"),
        ([], "names no data files"),
    ],
)
def test_refused(state: object, problem: str, tmp_path: Path) -> None:
    write_huggingface(tmp_path / "d")
    (tmp_path / "d" / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match=problem):
        read_manifest(tmp_path / "d")
