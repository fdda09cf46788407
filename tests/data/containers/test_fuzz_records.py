"""Damaged sets by the thousand: a clear error or photos, never a crash, a hang or a flood."""

from __future__ import annotations

import base64
import logging
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from likewise.data.containers.image_record import RecordStore, pack, record_labels
from likewise.data.containers.recordio import MAGIC, encode_record, read_record, record_offsets
from likewise.data.formats import read_manifest
from likewise.data.store import ByteFile
from likewise.errors import InputError
from tests.data.formats.record_sets import said, with_ranges, write_set

MARK = MAGIC.to_bytes(4, "little")
NUMBERS = [0, 1, 8, 2**24, 2**28, 2**29 - 1, 2**29, 3 << 29, 2**31 - 1, 2**32 - 1, MAGIC]
TEXTS = [b"\0", b"\t", b"\n", b"-1", b"9" * 30, b"1e9", b"nan", b"\xff", b"../", b"=", b",", b'"']


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one to four faults: flipped bits, lies, pieces lost, doubled or put in."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(data) + 1))
        end = at + int(rng.integers(1, 13))
        match rng.integers(0, 7):
            case 0 if at < len(data):
                data[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del data[at:]
            case 2:
                at -= at % 4
                data[at : at + 4] = int(rng.choice(NUMBERS)).to_bytes(4, "little")
            case 3:
                del data[at:end]
            case 4:
                data[at:at] = data[at:end]
            case 5:
                data[at:at] = TEXTS[rng.integers(0, len(TEXTS))]
            case _:
                data[at:end] = rng.bytes(end - at)
    return bytes(data)


def a_set(folder: Path) -> tuple[list[Path], Callable[[], object]]:
    path = write_set(folder, with_ranges([0, 0, 0.5, 7, 7]))
    lists = {
        ".lst": "1\t0\ta/1.jpg\n2\t0\ta/2.jpg\n3\t1\tb/1.jpg\n4\t2\tc/1.jpg\n5\t2\tc/2.jpg\n",
        ".identities.tsv": "0\tanna\n1\tbob\n2\tcarl\n",
    }
    for ending, text in lists.items():
        path.with_suffix(ending).write_text(text)
    (folder / "property").write_text("3,112,112\n")
    files = [path, path.with_suffix(".idx"), *map(path.with_suffix, lists), folder / "property"]
    return files, lambda: said(read_manifest(path))


def a_set_alone(folder: Path) -> tuple[list[Path], Callable[[], object]]:
    path = write_set(folder, with_ranges([0, 0, 0.5, 7, 7]))
    return [path, path.with_suffix(".idx")], lambda: said(read_manifest(path))


def a_set_without_index(folder: Path) -> tuple[list[Path], Callable[[], object]]:
    path = write_set(folder, [(n, pack(b"%d" % n, [n, 1.5], n)) for n in range(4)])
    path.with_suffix(".idx").unlink()
    return [path], lambda: said(read_manifest(path))


def records(folder: Path) -> tuple[list[Path], Callable[[], object]]:
    path = folder / "x.rec"
    path.write_bytes(b"".join(map(encode_record, (b"", MARK * 3, b"abc" + MARK, b"12345" * 9))))

    def read() -> None:
        file = ByteFile(path)
        for offset in record_offsets(file).tolist():
            read_record(file, offset)

    return [path], read


def record_heads(folder: Path) -> tuple[list[Path], Callable[[], object]]:
    path = folder / "x.rec"
    parts = [encode_record(pack(b"image", label, 3)) for label in (1, [1, 2], [1], [1, 2, 3])]
    path.write_bytes(b"".join(parts))
    offsets = np.cumsum([0, *map(len, parts)])[:-1]

    def read() -> None:
        file = ByteFile(path)
        for offset in offsets.tolist():
            try:
                RecordStore(file).read(offset)
            except InputError:
                continue
        if file.size >= offsets[-1] + 8:
            record_labels(file, offsets)

    return [path], read


def a_tsv(folder: Path) -> tuple[list[Path], Callable[[], object]]:
    box = base64.b64encode(struct.pack("<4f", 0, 0, 1, 1)).decode()
    rows = (f"m.{n}\t{n}\turl\t\tFaceId-{n}\t{box}\tSlBFRw==\n" for n in range(5))
    path = folder / "x.tsv"
    path.write_text("".join(rows))

    def read() -> None:
        from likewise.data.formats.msceleb import read

        read_all = read(path)
        for photo in read_all.photos():
            try:
                photo.read()
            except InputError:
                continue

    return [path], read


READERS = [a_set, a_set_alone, a_set_without_index, records, record_heads, a_tsv]


@pytest.fixture
def _quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def fuzz(reader: Callable[[Path], tuple[list[Path], Callable[[], object]]], folder: Path,
         seed: int, cases: int) -> None:  # fmt: skip
    files, read = reader(folder)
    whole = {path: path.read_bytes() for path in files}
    read()  # undamaged, it is read
    refused = 0
    for case in range(cases):
        rng = np.random.default_rng([seed, case])  # a case that fails is found again by its number
        path = files[case % len(files)]
        path.write_bytes(damaged(whole[path], rng))
        try:
            read()
        except InputError as error:
            refused += 1
            assert str(folder) in str(error), case
            assert "\n" not in str(error), case
        except BaseException as error:
            raise AssertionError(f"{reader.__name__}: case {case}: {error!r}") from error
        path.write_bytes(whole[path])
    assert refused > cases // 10


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("reader", READERS)
def test_damage_is_refused_in_one_line(
    reader: Callable[[Path], tuple[list[Path], Callable[[], object]]], tmp_path: Path
) -> None:
    fuzz(reader, tmp_path, seed=0, cases=200)


@pytest.mark.slow
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("reader", READERS)
def test_much_damage_is_refused_in_one_line(
    reader: Callable[[Path], tuple[list[Path], Callable[[], object]]], tmp_path: Path
) -> None:
    fuzz(reader, tmp_path, seed=1, cases=12_000)
