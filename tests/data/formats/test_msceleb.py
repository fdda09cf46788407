"""MS-Celeb-1M's text file: read against a plain split, and damaged."""

from __future__ import annotations

import base64
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.formats import msceleb, read_manifest
from likewise.data.formats.msceleb import MsCelebStore
from likewise.data.formats.table import write_table
from likewise.data.images import BadImage, decode
from likewise.data.store import ByteFile
from likewise.errors import InputError
from tests.conftest import draw_person
from tests.data.formats.record_sets import said

BOX = (0.125, 0.25, 0.75, 1.0)
SIDES = ("x1", "y1", "x2", "y2")


def line(
    mid: str = "m.01_0r7", rank: object = 0, face_id: str = "FaceId-0", data: bytes = b"JPEG"
) -> bytes:
    box = base64.b64encode(struct.pack("<4f", *BOX)).decode()
    text = base64.b64encode(data).decode()
    url = "http://x.org/a b?c=é"
    return f"{mid}\t{rank}\t{url}\t\t{face_id}\t{box}\t{text}\n".encode()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_each_row_is_a_photo(tmp_path: Path) -> None:
    lines = [line(), line(rank=1, data=b""), line(face_id="FaceId-1", data=bytes(range(256)) * 300)]
    lines += [line("m.é", 93, data=b"\n\t")]
    manifest = read_manifest(write(tmp_path / "faces.tsv", b"".join(lines)))
    assert manifest.names == [
        "m.01_0r7/0-FaceId-0.jpg",
        "m.01_0r7/1-FaceId-0.jpg",
        "m.01_0r7/0-FaceId-1.jpg",
        "m.é/93-FaceId-0.jpg",
    ]
    assert manifest.identities == ["m.01_0r7", "m.é"]
    assert [data for *_, data in said(manifest)] == [b"JPEG", b"", bytes(range(256)) * 300, b"\n\t"]
    assert manifest.table["rank"].to_pylist() == [0, 1, 0, 93]
    assert [manifest.table[side].to_pylist() for side in SIDES] == [[side] * 4 for side in BOX]
    for ending in (".csv", ".parquet", ".arrow"):  # the metadata fit into any table
        write_table(manifest, tmp_path / f"list{ending}")
        chosen = read_manifest(tmp_path / f"list{ending}", tmp_path / "faces.tsv")
        assert said(chosen) == said(manifest)
    assert pickle.loads(pickle.dumps(manifest.store)).read(manifest.table["place"][0].as_py())


boxes = st.lists(st.floats(width=32, allow_nan=False), min_size=4, max_size=4)
words = st.text(st.characters(min_codepoint=33, codec="utf-8"), min_size=1, max_size=6)


@settings(deadline=None)  # other work on the machine must not fail it
@given(
    st.lists(st.tuples(st.binary(max_size=60), boxes, words), min_size=1, max_size=8),
    st.sampled_from([7, 100, msceleb.BLOCK]),
    st.booleans(),
)
def test_what_a_plain_split_finds_is_found(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[bytes, list[float], str]],
    block: int,
    ended: bool,
) -> None:
    fields = [
        ["m." + word.replace("/", "").replace("..", ""), str(n), word, word, word.replace("/", ""),
         base64.b64encode(struct.pack("<4f", *box)).decode(), base64.b64encode(data).decode()]
        for n, (data, box, word) in enumerate(rows)
    ]  # fmt: skip
    fields = [[field or "x" if n == 4 else field for n, field in enumerate(row)] for row in fields]
    content = "\n".join(map("\t".join, fields)) + "\n" * ended
    path = write(tmp_path_factory.mktemp("ms") / "faces.tsv", content.encode())
    with pytest.MonkeyPatch.context() as patch:  # blocks smaller than a line, or than the file
        patch.setattr(msceleb, "BLOCK", block)
        patch.setattr(msceleb, "STEP", 5)
        manifest = msceleb.read(path)
        assert said(manifest) == [
            (f"{row[0]}/{row[1]}-{row[4]}.jpg", row[0], data)
            for row, (data, _, _) in zip(fields, rows, strict=True)
        ]
    for n, side in enumerate(SIDES):
        np.testing.assert_array_equal(manifest.table[side], [box[n] for _, box, _ in rows])


def test_a_table_with_a_header_of_seven_columns_is_a_table(tmp_path: Path) -> None:
    draw_person(0, 0).save(tmp_path / "a.png")
    header = "path\tidentity\ta\tb\tc\td\te\n"
    write(tmp_path / "m.tsv", (header + "a.png\tanna\t1\t2\t3\t4\t5\n").encode())
    assert read_manifest(tmp_path / "m.tsv").identities == ["anna"]


def test_a_photo_beyond_4_gib(tmp_path: Path) -> None:
    path = write(tmp_path / "large.tsv", b"")
    try:
        os.truncate(path, 5 * 2**30)
    except OSError:
        pytest.skip("this file system holds no sparse file of 5 GiB")
    with path.open("ab") as stream:
        stream.write(base64.b64encode(b"far away"))
    assert MsCelebStore(ByteFile(path)).read(5 * 2**30) == b"far away"


GOOD = line()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GOOD + b"a\tb\n" + GOOD, "row 2: 2 of 7 columns"),
        (GOOD + b"\n", "row 2: 1 of 7 columns"),
        (GOOD + line(rank=1)[:-1] + b"\tmore\n", "row 2: 8 of 7 columns"),
        (GOOD + line(rank=1)[:40], "row 2: .* of 7 columns"),
        (GOOD + line(rank=1).replace(b"http", b"ht\0p"), "row 2: holds the control character 0"),
        (GOOD + line(rank=1)[:-1] + b"\r\n", "row 2: holds the control character 13"),
        (GOOD + line(rank="one"), "row 2: the rank is not a whole number: 'one'"),
        (GOOD + line(rank=-1), "row 2: the rank is not a whole number: '-1'"),
        (GOOD + line(rank=10**12), "row 2: the rank is not a whole number"),
        (GOOD + line(rank=""), "row 2: the rank is empty"),
        (GOOD + line(mid=""), "row 2: the MID is empty"),
        (GOOD + line(face_id=""), "row 2: the face id is empty"),
        (GOOD + line(rank=1).replace(b"m.01", b"m.\xff1"), "row 2: the MID is not UTF-8"),
        (GOOD + line(rank=1).replace(b"AAAAPg", b"AAA*Pg"), "row 2: the face rectangle is no"),
        (GOOD + line(rank=1).replace(b"==\t", b"\t"), "row 2: the face rectangle is no"),
        (GOOD + line(rank=1).replace(b"==\t", b"=A\t"), "row 2: the face rectangle is no"),
        (GOOD + GOOD, "rows 1 and 2: the same MID, rank and face id"),
        (GOOD + line(mid="../../etc"), "row 2: the name points outside"),
        (GOOD + line(mid="/etc"), "row 2: the name points outside"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = write(tmp_path / "faces.tsv", content)
    with pytest.raises(InputError, match=f"faces.tsv: {problem}") as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage", [b"SlBFR*==", b"SlBFRw=", b"SlBFRw", b"SlBFRw==SlBF", b"=", b"S"]
)
def test_face_data_that_are_no_base64_are_that_photos_fault(tmp_path: Path, damage: bytes) -> None:
    content = GOOD.replace(b"SlBFRw==", damage) + line(rank=1)
    manifest = read_manifest(write(tmp_path / "faces.tsv", content))
    with pytest.raises(InputError, match=r"faces.tsv: byte \d+: the face data are not base64"):
        manifest.photo(0).read()
    with pytest.raises(BadImage, match=r"faces.tsv: m.01_0r7/0-FaceId-0.jpg: .*not base64"):
        decode(manifest.photo(0))
    assert manifest.photo(1).read() == b"JPEG"


def test_a_file_cut_anywhere_is_refused_or_loses_only_the_end(tmp_path: Path) -> None:
    content = GOOD + line(rank=1, data=b"second")
    whole = said(read_manifest(write(tmp_path / "faces.tsv", content)))
    for size in range(1, len(content)):
        path = write(tmp_path / "cut.tsv", content[:size])
        try:
            found = said(read_manifest(path))
        except InputError as error:
            assert "cut.tsv" in str(error)
        else:  # base64 cut at a multiple of four letters is base64 of a photo that is cut short
            assert all(a[:2] == b[:2] and b[2].startswith(a[2])
                       for a, b in zip(found, whole, strict=False))  # fmt: skip


def test_a_line_without_end_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msceleb, "LINE", 2**20)
    monkeypatch.setattr(msceleb, "BLOCK", 2**16)
    path = write(tmp_path / "faces.tsv", GOOD[:-1])
    os.truncate(path, 2**30)
    tracemalloc.start()
    with pytest.raises(InputError, match="a line of more than 1,048,576 bytes; too long"):
        read_manifest(path)
    with pytest.raises(InputError, match="a line of more than"):
        MsCelebStore(ByteFile(path)).read(100)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
