"""RecordIO against MXNet's own files, a plain loop, and damage."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from likewise.data.containers import recordio
from likewise.data.containers.recordio import (
    encode_record,
    read_record,
    record_beginnings,
    record_offsets,
)
from likewise.data.store import MAX_PHOTO_BYTES, ByteFile
from likewise.errors import InputError

MARK = bytes.fromhex("0a23d7ce")
Write = Callable[[bytes], ByteFile]

# Payloads in which the magic stands at every alignment, alone, doubled and broken off.
payloads = st.lists(
    st.sampled_from([MARK, MARK[:3], MARK[1:], b"x", b"yyyy", b"\0"]) | st.binary(max_size=9),
    max_size=12,
).map(b"".join)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def new(content: bytes) -> ByteFile:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.rec"
        path.write_bytes(content)
        return ByteFile(path)

    return new


def as_mxnet_writes(payload: bytes) -> bytes:
    """The loop of dmlc's RecordIOWriter, four bytes at a time."""
    out, begin = b"", 0
    for at in range(0, len(payload) // 4 * 4, 4):
        if payload[at : at + 4] == MARK:
            kind = 1 if begin == 0 else 2
            out += MARK + (kind << 29 | at - begin).to_bytes(4, "little") + payload[begin:at]
            begin = at + 4
    kind = 3 if begin else 0
    out += MARK + (kind << 29 | len(payload) - begin).to_bytes(4, "little") + payload[begin:]
    return out + bytes(-len(out) % 4)


def test_mxnets_own_file_is_read_and_written_to_the_byte(shared_data: Path) -> None:
    golden = shared_data / "formats" / "magic.rec"
    expected = [bytes.fromhex(p) for p in json.loads(golden.with_suffix(".json").read_text())]
    file = ByteFile(golden)
    assert [read_record(file, offset) for offset in record_offsets(file)] == expected
    assert b"".join(map(encode_record, expected)) == golden.read_bytes()


@settings(deadline=None)  # other work on the machine must not fail it
@given(payloads)
def test_the_writer_splits_as_mxnet_does(payload: bytes) -> None:
    assert encode_record(payload) == as_mxnet_writes(payload)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(payloads, max_size=6), st.sampled_from([16, 64, recordio.BLOCK]))
def test_what_is_written_is_read_and_found_by_a_scan(
    write: Write, several: list[bytes], block: int
) -> None:
    file = write(b"".join(map(encode_record, several)))
    with pytest.MonkeyPatch.context() as patch:  # blocks that end within a record, and a head
        patch.setattr(recordio, "BLOCK", block)
        offsets = record_offsets(file)
    assert (
        offsets.tolist() == np.cumsum([0, *(len(encode_record(p)) for p in several)])[:-1].tolist()
    )
    assert [read_record(file, offset) for offset in offsets.tolist()] == several


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30
)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=20, unique=True).map(sorted),
    st.integers(1, 50),
    st.sampled_from([64, 200]),
    st.sampled_from([8, 10**6]),
)
def test_beginnings_are_the_files_bytes(
    write: Write, places: list[int], width: int, block: int, gap: int
) -> None:
    content = np.random.default_rng(0).bytes(4 * places[-1] + 10)
    offsets = np.array(places) * 4
    found = np.zeros((len(places), width), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordio, "BLOCK", block)
        patch.setattr(recordio, "GAP", gap)
        for rows, some in record_beginnings(write(content), offsets, width):
            found[rows] = some
    for row, offset in enumerate(offsets):
        assert found[row].tobytes() == content[offset : offset + width].ljust(width, b"\0")


def test_an_empty_file_holds_no_record(write: Write) -> None:
    assert len(record_offsets(write(b""))) == 0


def test_a_record_beyond_4_gib_is_read(tmp_path: Path) -> None:
    path, place = tmp_path / "large.rec", 5 * 2**30 + 4
    path.touch()
    try:
        os.truncate(path, place)
    except OSError:
        pytest.skip("this file system holds no sparse file of 5 GiB")
    with path.open("ab") as stream:
        stream.write(encode_record(b"far away"))
    assert read_record(ByteFile(path), place) == b"far away"


def test_a_file_cut_anywhere_is_refused_by_name(write: Write) -> None:
    several = [b"abc", MARK * 2 + b"de", b"", b"12345678"]
    whole = b"".join(map(encode_record, several))
    ends = np.cumsum([0, *(len(encode_record(p)) for p in several)]).tolist()
    for size in range(len(whole)):
        file = write(whole[:size])
        if size in ends:
            assert len(record_offsets(file)) == ends.index(size)
            continue
        with pytest.raises(InputError, match=rf"{file.path.name}.*\d"):
            record_offsets(file)
        last = max(end for end in ends if end < size)
        if size - last < len(encode_record(several[ends.index(last)])) - 3:  # not mere padding
            with pytest.raises(InputError, match=file.path.name):
                read_record(file, last)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PK\3\4" + bytes(8), "byte 0 does not begin a record"),
        (MARK + (2 << 29).to_bytes(4, "little"), "byte 0: a part of kind 2"),
        (MARK + (3 << 29).to_bytes(4, "little"), "byte 0: a part of kind 3"),
        (MARK + (7 << 29).to_bytes(4, "little"), "byte 0: a part of kind 7"),
        (MARK + (1 << 29).to_bytes(4, "little") + encode_record(b""), "byte 8: a part of kind 0"),
        (MARK + (1 << 29).to_bytes(4, "little") + bytes(8), "byte 8 does not begin the next part"),
        (MARK + (1 << 29).to_bytes(4, "little"), "8 bytes at 8 lie outside"),
        (MARK + (2**28).to_bytes(4, "little"), "268435456 bytes at 8 lie outside its 8 bytes"),
        (MARK + (2**28 + 1).to_bytes(4, "little"), "268,435,457 bytes or more; at most"),
    ],
)
def test_what_is_no_record_is_one_clear_line(write: Write, content: bytes, problem: str) -> None:
    file = write(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=problem) as caught:
        read_record(file, 0)
    with pytest.raises(InputError, match=file.path.name):
        record_offsets(file)
    assert tracemalloc.get_traced_memory()[1] < 2**20  # refused before anything is allocated
    tracemalloc.stop()
    assert str(file.path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("offset", [-4, 2**62, 12])
def test_an_offset_of_no_record_is_refused(write: Write, offset: int) -> None:
    with pytest.raises(InputError, match="rec"):
        read_record(write(encode_record(b"abcdefgh")), offset)


def test_a_payload_larger_than_any_photo_is_not_written() -> None:
    with pytest.raises(InputError, match="at most"):
        encode_record(bytes(MAX_PHOTO_BYTES + 1))
