"""Training sets in RecordIO: MXNet's own, both forms, and everything that can stand beside them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from likewise.data.containers.image_record import pack
from likewise.data.containers.recordio import encode_record
from likewise.data.formats import read_manifest
from likewise.data.formats.insightface import key_names
from likewise.data.formats.table import write_table
from likewise.data.images import decode
from likewise.errors import InputError
from tests.data.formats.record_sets import flat, said, with_ranges, write_set


@pytest.fixture
def golden(shared_data: Path, tmp_path: Path) -> Path:
    for name in ("train.rec", "train.idx", "property"):
        shutil.copy(shared_data / "formats" / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("indexed", [True, False])
def test_mxnets_own_set(golden: Path, shared_data: Path, indexed: bool, caplog) -> None:
    if not indexed:
        (golden / "train.idx").unlink()
    manifest = read_manifest(golden)
    expected = json.loads((shared_data / "formats" / "train.json").read_text())
    assert manifest.names == [f"{photo['key']:08d}.jpg" for photo in expected]
    assert manifest.table["identity"].to_pylist() == [str(photo["label"]) for photo in expected]
    assert manifest.identities == ["0", "1", "2"]
    for photo, wanted in zip(manifest.photos(), expected, strict=True):
        assert hashlib.sha256(photo.read()).hexdigest() == wanted["sha256"]
        assert decode(photo).size == (112, 112)
    assert len(caplog.records) == (0 if indexed else 1)  # a missing index is said once
    assert (golden / "train.rec").as_posix() in str(manifest.photo(0))


def test_a_rec_file_is_read_as_the_folder_is(golden: Path) -> None:
    assert read_manifest(golden / "train.rec").fingerprint == read_manifest(golden).fingerprint


def test_a_table_chooses_among_the_records(golden: Path) -> None:
    write_table(read_manifest(golden).take([4, 1]), golden / "some.csv")
    chosen = read_manifest(golden / "some.csv", golden)
    assert said(chosen) == [said(read_manifest(golden))[row] for row in (4, 1)]


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    labels = [5, 5, 0.5, 7, 7, 7, 16_777_216]
    texts = ["5", "5", "0.5", "7", "7", "7", "16777216"]
    ranges = read_manifest(write_set(tmp_path / "ranges", with_ranges(labels)))
    every = read_manifest(write_set(tmp_path / "flat", flat(labels)))
    assert [identity for _, identity, _ in said(ranges)] == texts
    assert [identity for _, identity, _ in said(every)] == texts
    assert ranges.names == [f"{key:08d}.jpg" for key in range(1, 8)]
    assert every.names == [f"{key:08d}.jpg" for key in range(7)]
    assert [photo for *_, photo in said(every)] == [b"photo %d" % key for key in range(7)]


def test_several_labels_the_first_is_the_identity(tmp_path: Path) -> None:
    records = [(3, pack(b"a", [2, 9, 9], 3)), (1, pack(b"b", [1, 8], 1)), (2, pack(b"c", 2, 2))]
    manifest = read_manifest(write_set(tmp_path, records, "any"))
    path = str(tmp_path / "any.rec")
    assert str(manifest.root) == path
    assert said(manifest) == [
        ("00000001.jpg", "1", b"b"),
        ("00000002.jpg", "2", b"c"),
        ("00000003.jpg", "2", b"a"),
    ]


def test_labels_minus_zero_and_zero_are_one(tmp_path: Path) -> None:
    assert read_manifest(write_set(tmp_path, flat([0.0, -0.0, -1]))).identities == ["-1", "0"]


def test_without_an_index_ids_are_keys_if_they_are_distinct(tmp_path: Path) -> None:
    path = write_set(tmp_path, [(9, pack(b"x", 1, 9)), (4, pack(b"y", 2, 4))])
    path.with_suffix(".idx").unlink()
    assert said(read_manifest(path)) == [("00000004.jpg", "2", b"y"), ("00000009.jpg", "1", b"x")]
    path.write_bytes(encode_record(pack(b"x", 1, 0)) + encode_record(pack(b"y", 2, 0)))
    assert read_manifest(path).names == ["00000000.jpg", "00000001.jpg"]


@pytest.mark.parametrize("ranges", [[(1, 3), (4, 5)], [(2, 5)], [(1, 9)], [(1, float("inf"))]])
def test_ranges_that_do_not_fit_give_way_to_the_images_headers(
    tmp_path: Path, ranges: list[tuple[float, float]], caplog: pytest.LogCaptureFixture
) -> None:
    records = with_ranges([3, 3, 8, 8])[:5] + [
        (5 + n, pack(b"", pair, 5 + n)) for n, pair in enumerate(ranges)
    ]
    records[0] = (0, pack(b"", (5, 5 + len(ranges)), 0))
    manifest = read_manifest(write_set(tmp_path, records))
    assert manifest.table["identity"].to_pylist() == ["3", "3", "8", "8"]
    assert "do not partition" in caplog.text


def test_an_identity_without_images_is_passed_over(tmp_path: Path) -> None:
    records = with_ranges([3, 3, 8])
    records[-1:] = [(5, pack(b"", (3, 3), 5)), (6, pack(b"", (3, 4), 6))]
    records[0] = (0, pack(b"", (4, 7), 0))
    assert read_manifest(write_set(tmp_path, records)).identities == ["3", "8"]


def test_above_2_to_the_24_keys_the_rounded_record_0_is_not_trusted(tmp_path: Path) -> None:
    a = 2**24 + 1  # stored as 2^24
    records = [(0, pack(b"", (a, a + 2), 0)), (1, pack(b"x", 7, 1)), (a - 1, pack(b"y", 9, a - 1))]
    records += [(a, pack(b"", (1, 2), a)), (a + 1, pack(b"", (2, a), a + 1))]
    manifest = read_manifest(write_set(tmp_path, records))
    assert said(manifest) == [("00000001.jpg", "7", b"x"), ("16777216.jpg", "9", b"y")]


def test_mxnets_list_names_the_images_and_overrules_their_labels(tmp_path: Path) -> None:
    path = write_set(tmp_path, flat([0, 1, 2]), "val")
    path.with_suffix(".lst").write_text("2\t5.000000\tc/1.jpg\n9\t1\tleft out.jpg\n"
                                        "0\t4.5\ta/1.jpg\n1\t4.5\ta/2.jpg\n")  # fmt: skip
    assert said(read_manifest(path)) == [
        ("a/1.jpg", "4.5", b"photo 0"),
        ("a/2.jpg", "4.5", b"photo 1"),
        ("c/1.jpg", "5", b"photo 2"),
    ]


def test_insightfaces_list_names_the_images_in_their_order(tmp_path: Path) -> None:
    path = write_set(tmp_path, with_ranges([4, 4, 6]))
    path.with_suffix(".lst").write_text("1\ta/1.jpg\t0\n1\ta/2.jpg\t0\n1\tb/1.jpg\t1\n")
    assert said(read_manifest(path)) == [
        ("a/1.jpg", "4", b"photo 1"),
        ("a/2.jpg", "4", b"photo 2"),
        ("b/1.jpg", "6", b"photo 3"),
    ]


def test_a_list_of_paths_on_another_machine_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_set(tmp_path, with_ranges([4]))
    path.with_suffix(".lst").write_text("1\t/raid/faces/a/1.jpg\t0\n")
    assert read_manifest(path).names == ["00000001.jpg"]
    assert "is ignored" in caplog.text


def test_identities_have_their_names_back(tmp_path: Path) -> None:
    path = write_set(tmp_path, with_ranges([1, 1, 0]))
    path.with_suffix(".identities.tsv").write_text('0\tZoë "Z" Ångström\n1\t007\n')
    manifest = read_manifest(path)
    assert manifest.table["identity"].to_pylist() == ["007", "007", 'Zoë "Z" Ångström']


def test_a_record_beyond_4_gib(tmp_path: Path) -> None:
    path, far = write_set(tmp_path, flat([3])), 5 * 2**30
    try:
        os.truncate(path, far)
    except OSError:
        pytest.skip("this file system holds no sparse file of 5 GiB")
    with path.open("ab") as stream:
        stream.write(encode_record(pack(b"far away", 4, 1)))
    with path.with_suffix(".idx").open("a") as index:
        index.write(f"1\t{far}\n")
    assert said(read_manifest(path))[1] == ("00000001.jpg", "4", b"far away")


def test_names_of_keys() -> None:
    keys = np.array([0, 7, 99_999_999, 100_000_000, 2**62])
    assert key_names(keys).to_pylist() == [f"{key:08d}.jpg" for key in keys]


@pytest.mark.parametrize(
    ("beside", "content", "problem"),
    [
        ("train.idx", "", "train.rec: holds no photo"),
        ("train.idx", "0\t0\n1\t99999\n", "train.idx: key 1: no record of train.rec .* at 99999"),
        ("train.idx", "0\t0\n1\t-4\n", "train.idx: key 1: no record .* at -4"),
        ("train.idx", "0\t0\n1\t2\n", "train.idx: key 1: no record .* at 2;"),
        ("train.idx", "0\t0\n1\t9223372036854775807\n", "key 1: no record"),
        (
            "train.idx",
            "0\t0\n1\t9223372036854775808\n",
            "train.idx: must have the columns key, offset",
        ),
        ("train.idx", "0\t0\n1\t1e3\n", "train.idx: must have the columns key, offset"),
        ("train.idx", "0\t0\n1\n", "train.idx: must have the columns key, offset"),
        ("train.idx", "0\t0\n1\t\n", "train.idx: "),
        ("train.idx", "0\t0\n1\t40\t\n", "train.idx: must have the columns key, offset"),
        ("train.idx", "\0\xff\n", "train.idx: must have the columns key, offset"),
        ("train.idx", "0\t0\n1\t40\n1\t84\n", "train.idx: key 1 is repeated"),
        ("train.idx", "0\t0\n1\t40\n2\t40\n", "keys 1 and 2 begin at the same byte"),
        ("train.idx", "0\t0\n1\t44\n", "train.rec: byte 44 does not begin a record"),
        ("train.idx", "0\t0\n1\t40\n", "states 3 images .* the index has 1"),
        ("property", "", "property: must be classes,height,width"),
        ("property", "3,112\n", "property: must be"),
        ("property", "3,112,-1\n", "property: must be"),
        ("property", "\0" * 999, "property: must be"),
        ("train.lst", "1\t0\n", "train.lst: 2 columns"),
        ("train.lst", "1\t0\ta\n2\tx\tb\n", "train.lst: "),
        ("train.lst", "1\t0\ta\n2\t0\tb\n", "train.lst: no line for key 3"),
        ("train.lst", "1\t0\ta\n1\t0\tb\n3\t0\tc\n", "train.lst: index '1' is repeated"),
        (
            "train.lst",
            "1\t0\ta\n2\tnan\tb\n3\t0\tc\n",
            "train.lst: line 2: the label is not finite",
        ),
        ("train.lst", "1\ta\t0\n1\tb\t0\n", "train.lst: 2 lines for 3 images"),
        ("train.lst", "\t" * 5000, "train.lst: 5001 columns"),
        ("train.lst", "1\t0\t\xff\n", "train.lst: "),
        ("train.identities.tsv", "0\ta\n", "identities.tsv: no name for label 1"),
        ("train.identities.tsv", "0\ta\n2\tb\n", "identities.tsv: line 2: the label must be 1"),
        ("train.identities.tsv", "0\ta\n1\t\n", "identities.tsv: "),
        ("train.identities.tsv", "0\ta\n1\ta\n", "identities.tsv: identity 'a' is repeated"),
        ("train.identities.tsv", "", "identities.tsv: no name for label 0"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    tmp_path: Path, beside: str, content: str, problem: str
) -> None:
    path = write_set(tmp_path, with_ranges([0, 0, 1]))
    (tmp_path / beside).write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=problem) as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("pair", [(float("nan"), 4), (0, 2), (4, 3), (1.5, 2), (1, float("inf"))])
def test_a_record_0_that_cannot_be_is_refused(tmp_path: Path, pair: tuple[float, float]) -> None:
    records = [(0, pack(b"", pair, 0)), (1, pack(b"x", 0, 1))]
    with pytest.raises(InputError, match="record 0|byte 0"):
        read_manifest(write_set(tmp_path, records))


def test_a_set_cut_anywhere_is_refused_or_whole_in_what_it_gives(tmp_path: Path) -> None:
    path = write_set(tmp_path, with_ranges([0, 0, 1]))
    whole, content = said(read_manifest(path)), path.read_bytes()
    index = path.with_suffix(".idx").read_bytes()
    logging.disable(logging.WARNING)
    for indexed in (True, False):
        path.with_suffix(".idx").write_bytes(index)
        if not indexed:
            path.with_suffix(".idx").unlink()
        for size in range(len(content)):
            path.write_bytes(content[:size])
            with pytest.raises(InputError, match="train"):
                assert not said(read_manifest(path))
        path.write_bytes(content)
        assert said(read_manifest(path)) == whole
    logging.disable(logging.NOTSET)
