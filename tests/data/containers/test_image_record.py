"""Image records: header, labels, image; one by one, and the headers of many at once."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.containers.image_record import RecordStore, pack, record_labels, unpack
from likewise.data.containers.recordio import encode_record, read_record
from likewise.data.store import ByteFile
from likewise.errors import InputError

numbers = st.floats(width=32, allow_nan=False)
MARK = bytes.fromhex("0a23d7ce")


def test_mxnets_records_with_several_labels(shared_data: Path) -> None:
    file = ByteFile(shared_data / "formats" / "multilabel.rec")
    expected = [[0, 0.5, 0], [1, 1.5, -1], [2, 2.5, -2]]  # as MXNet was told
    for number, (offset, labels) in enumerate(zip((0, 52, 104), expected, strict=True)):
        record = unpack(read_record(file, offset))
        assert record.labels.tolist() == labels
        assert (record.flag, record.id, record.id2) == (3, number, 7)
        assert record.image == f"payload{number}".encode()
        packed = encode_record(pack(record.image, labels, number, 7))
        assert packed == file.read(offset, 52)
    said = record_labels(file, np.array([104, 0, 52]))
    assert said.labels.tolist() == [[2, 2.5], [0, 0.5], [1, 1.5]]
    assert said.id.tolist() == [2, 0, 1]


@settings(deadline=None)  # other work on the machine must not fail it
@given(st.binary(), numbers | st.lists(numbers, max_size=5), st.integers(0, 2**64 - 1))
def test_what_is_packed_is_unpacked(image: bytes, label: float | list[float], id: int) -> None:
    record = unpack(pack(image, label, id))
    labels = label if isinstance(label, list) else [label]
    assert (record.image, record.id, record.id2) == (image, id, 0)
    assert record.labels.tolist() == (labels or [0.0])  # no labels are flag 0, whose label is 0


@settings(deadline=None)  # other work on the machine must not fail it
@given(st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 3), st.booleans()), min_size=1))
def test_many_headers_say_what_each_says(
    tmp_path_factory: pytest.TempPathFactory, several: list[tuple[bytes, int, bool]]
) -> None:
    path, offsets = tmp_path_factory.mktemp("r") / "x.rec", []
    with path.open("wb") as stream:
        for number, (image, count, marked) in enumerate(several):
            # An id that holds the magic, so that the record is split within its header.
            id = int.from_bytes(MARK * 2, "little") if marked else number
            offsets.append(stream.tell())
            stream.write(encode_record(pack(image, [float(number), 0.5, 2][:count], id)))
    said = record_labels(ByteFile(path), np.array(offsets))
    for row, offset in enumerate(offsets):
        alone = unpack(read_record(ByteFile(path), offset))
        assert said.flag[row] == alone.flag
        assert said.id[row] == alone.id
        assert said.labels[row, 0] == alone.labels[0]
        assert said.empty[row] == (not alone.image)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (b"", "0 bytes are too few for an image record's header"),
        (bytes(23), "23 bytes are too few"),
        (struct.pack("<IfQQ", 1, 0, 0, 0), "24 bytes are too few for 1 labels"),
        (struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0) + bytes(64), "too few for 4294967295 labels"),
    ],
)
def test_a_record_too_short_is_refused(tmp_path: Path, record: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=f"^here: .*{problem}"):
        unpack(record, "here")
    path = tmp_path / "x.rec"
    path.write_bytes(encode_record(record) + encode_record(pack(b"image", 1, 1)))
    with pytest.raises(InputError, match=f"x.rec: byte 0: .*{problem}"):
        record_labels(ByteFile(path), np.array([0]))


def test_a_label_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(encode_record(pack(b"", 1, 0)) + encode_record(pack(b"", float("nan"), 1)))
    with pytest.raises(InputError, match="byte 32: the label is not finite"):
        record_labels(ByteFile(path), np.array([0, 32]))


def test_a_store_travels_to_another_process(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(encode_record(pack(b"image", 1, 0)))
    store = RecordStore(ByteFile(path))
    assert store.read(0) == b"image"
    assert pickle.loads(pickle.dumps(store)).read(0) == b"image"
