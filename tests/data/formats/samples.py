"""Small stores of made-up photos, and what a fuzzer does to them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from likewise.data.writers.parquet import ParquetWriter
from likewise.data.writers.tar import TarShardWriter

Photo = tuple[str, str, bytes]  # name, identity, bytes
PHOTOS: list[Photo] = [
    ("anna/0.png", "anna", b"\x89PNG first"),
    ("anna/1.JPG", "anna", b"\xff\xd8\xff second"),
    ("Zoë 李/ü.png", "Zoë 李", b"third" * 300),
    ("bob/" + "n" * 150 + ".jpg", "bob", b""),
    ("bob/last.bmp", "bob", b"BM" + bytes(512)),
]


def tar_of(members: list[tuple[str, bytes]], **keywords: object) -> bytes:
    """An archive as Python's own module writes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **keywords) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def write_tar(folder: Path, photos: list[Photo] = PHOTOS) -> Path:
    """Shards of Likewise's own; the first of them."""
    writer = TarShardWriter(folder)
    for photo in photos:
        writer.write(*photo)
    writer.finish()
    return folder / "shard-000000.tar"


def write_parquet(folder: Path, photos: list[Photo] = PHOTOS) -> Path:
    """Parts of Likewise's own; the first of them."""
    folder.mkdir()
    writer = ParquetWriter(folder)
    for photo in photos:
        writer.write(*photo)
    writer.finish()
    return folder / "part-00000.parquet"


def write_huggingface(
    folder: Path, photos: list[Photo] = PHOTOS, *, batch: int = 2, kind: pa.DataType | None = None
) -> Path:
    """A dataset as ``save_to_disk`` of the ``datasets`` package lays it out; its Arrow file."""
    names = sorted({identity for _, identity, _ in photos})
    features = {
        "image": {"_type": "Image"},
        "label": {"names": names, "_type": "ClassLabel"},
        "age": {"dtype": "int32", "_type": "Value"},
    }
    kind = kind or pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema(
        {"image": kind, "label": pa.int64(), "age": pa.int32()},
        {b"huggingface": json.dumps({"info": {"features": features}}).encode()},
    )
    folder.mkdir(parents=True)
    file = folder / "data-00000-of-00001.arrow"
    with pa.ipc.new_stream(str(file), schema) as stream:
        for start in range(0, len(photos), batch):
            rows = [
                {
                    "image": {"bytes": data, "path": name} if pa.types.is_struct(kind) else data,
                    "label": names.index(identity),
                    "age": 30 + start,
                }
                for name, identity, data in photos[start : start + batch]
            ]
            stream.write_batch(pa.RecordBatch.from_pylist(rows, schema))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    state = {"_data_files": [{"filename": file.name}], "_fingerprint": "0", "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    return file


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A file after an accident: cut, bits flipped, blocks zeroed, doubled or overwritten."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(data) or 1))
        length = int(rng.integers(1, 64))
        match int(rng.integers(6)):
            case 0:
                del data[at:]
            case 1:
                for place in rng.integers(max(len(data), 1), size=length).tolist():
                    if place < len(data):
                        data[place] ^= 1 << int(rng.integers(8))
            case 2:
                data[at : at + length] = bytes(len(data[at : at + length]))
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data[at : at + 8] = (
                    rng.integers(256, size=len(data[at : at + 8])).astype(np.uint8).tobytes()
                )
            case _:
                data[at : at + 4] = b"\xff\xff\xff\x7f"[: len(data[at : at + 4])]
    return bytes(data)
