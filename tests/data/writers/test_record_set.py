"""A set written as InsightFace does: to the byte, lossless, and continued wherever it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.formats import insightface, read_manifest
from likewise.data.formats.table import write_table
from likewise.data.writers import PhotoWriter
from likewise.data.writers import record_set as record_set_writer
from likewise.data.writers.record_set import RecordSetWriter
from likewise.errors import InputError
from tests.data.formats.record_sets import said

FILES = ("train.rec", "train.idx", "train.lst", "train.identities.tsv", "property")
NAMES = st.text(
    st.characters(blacklist_characters="\t\n\r\0", codec="utf-8"), min_size=1, max_size=9
)
MARK = bytes.fromhex("0a23d7ce")


def test_the_same_photos_give_mxnets_bytes(shared_data: Path, tmp_path: Path) -> None:
    golden = shared_data / "formats"
    writer: PhotoWriter = RecordSetWriter(tmp_path)
    listed = json.loads((golden / "train.json").read_text())
    for (_, _, data), photo in zip(said(read_manifest(golden)), listed, strict=True):
        writer.write(photo["file"], photo["file"].split("/")[0], data)
    writer.finish()
    for name in ("train.rec", "train.idx", "property"):
        assert (tmp_path / name).read_bytes() == (golden / name).read_bytes()
    manifest = read_manifest(tmp_path)
    assert manifest.names == [photo["file"] for photo in listed]
    assert manifest.identities == ["Aaron_Peirsol", "Abdullah_Gul", "Adam_Sandler"]


@settings(deadline=None)  # other work on the machine must not fail it
@given(
    st.dictionaries(
        NAMES, st.lists(st.binary(max_size=9) | st.just(MARK * 2), min_size=1, max_size=3),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_nothing_is_lost_on_the_way(
    tmp_path_factory: pytest.TempPathFactory, people: dict[str, list[bytes]]
) -> None:
    photos = [
        (f"{number}-{take}-{name.replace('/', '')}.jpg".replace("..", ""), name, data)
        for number, (name, several) in enumerate(people.items())
        for take, data in enumerate(several)
    ]
    out = tmp_path_factory.mktemp("set") / "faces.rec"
    writer = RecordSetWriter(out)
    for photo in photos:
        writer.write(*photo)
    writer.finish()
    assert said(insightface.read(out)) == photos
    assert (out.parent / "property").read_text() == f"{len(people)},0,0\n"  # of no real photo


PHOTOS = [(f"{who}/{n}.jpg", who, b"%d" % n * n) for who in ("b", "ä", "a") for n in range(3)]


@pytest.mark.parametrize("stop", range(len(PHOTOS) + 1))
def test_a_stopped_run_continues_to_the_same_bytes(tmp_path: Path, stop: int) -> None:
    whole = RecordSetWriter(tmp_path / "whole")
    for photo in PHOTOS:
        whole.write(*photo)
    whole.finish()
    writer = RecordSetWriter(tmp_path / "set")
    for photo in PHOTOS[:stop]:
        writer.write(*photo)
    state = json.loads(json.dumps(writer.state()))
    for photo in PHOTOS[stop : stop + 2]:  # on disk perhaps, but not acknowledged
        writer.write(*photo)
    if stop % 2:
        writer.finish()  # even the end may have been reached
    assert not (tmp_path / "set" / "train.rec").exists() or stop % 2
    del writer
    again = RecordSetWriter(tmp_path / "set", state)
    for photo in PHOTOS[stop:]:
        again.write(*photo)
    again.finish()
    for name in FILES:
        assert (tmp_path / "set" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == sorted(FILES)


def test_a_folder_goes_through_a_set_and_comes_back(photos: Path, tmp_path: Path) -> None:
    folder = read_manifest(photos)
    writer = RecordSetWriter(tmp_path / "set")
    for row, (name, identity) in enumerate(
        zip(folder.names, folder.table["identity"].to_pylist(), strict=True)
    ):
        path = folder.photo(row)
        assert isinstance(path, Path)
        writer.write(name, identity, path.read_bytes())
    writer.finish()
    records = read_manifest(tmp_path / "set")
    assert records.fingerprint == folder.fingerprint
    for ending in (".csv", ".parquet", ".arrow"):
        write_table(records, tmp_path / f"list{ending}")
        again = read_manifest(tmp_path / f"list{ending}", tmp_path / "set")
        assert said(again) == said(records)
    assert [data for *_, data in said(records)] == [
        (photos / name).read_bytes() for name in folder.names
    ]
    assert (tmp_path / "set" / "property").read_text() == "3,40,40\n"


def test_what_is_gone_cannot_be_continued(tmp_path: Path) -> None:
    writer = RecordSetWriter(tmp_path)
    writer.write("a.jpg", "a", b"x")
    state = writer.state()
    del writer
    (tmp_path / ".train.rec.part").write_bytes(b"")
    with pytest.raises(InputError, match=r"train.rec: fewer than 76 bytes are left of it"):
        RecordSetWriter(tmp_path, state)


def test_photos_of_one_identity_must_follow_each_other(tmp_path: Path) -> None:
    writer = RecordSetWriter(tmp_path)
    writer.write("a/1.jpg", "a", b"x")
    writer.write("b/1.jpg", "b", b"x")
    with pytest.raises(InputError, match="a/2.jpg: the photos of 'a' are not consecutive"):
        writer.write("a/2.jpg", "a", b"x")
    writer.write("b/2.jpg", "b", b"x")  # what was refused left nothing behind
    writer.finish()
    assert read_manifest(tmp_path).names == ["a/1.jpg", "b/1.jpg", "b/2.jpg"]


@pytest.mark.parametrize("name", ["", "a\tb", "a\nb", "a\rb", "a\0b"])
def test_names_that_fit_no_line_are_refused(tmp_path: Path, name: str) -> None:
    writer = RecordSetWriter(tmp_path)
    with pytest.raises(InputError, match="a name in a .lst has no TAB"):
        writer.write(name, "a", b"x")
    with pytest.raises(InputError, match="a name in a .lst has no TAB"):
        writer.write("a", name, b"x")


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "b/../../a.jpg"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="points outside the set"):
        RecordSetWriter(tmp_path).write(name, "a", b"x")


def test_more_photos_than_float32_counts_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_set_writer, "EXACT", 6)
    writer = RecordSetWriter(tmp_path)
    for n in range(4):
        writer.write(f"{n}.jpg", "a", b"x")
    with pytest.raises(InputError, match="numbers at most 6 photos"):
        writer.write("4.jpg", "a", b"x")
    writer.finish()
    assert len(read_manifest(tmp_path)) == 4


def test_no_photo_at_all(tmp_path: Path) -> None:
    RecordSetWriter(tmp_path).finish()
    assert (tmp_path / "property").read_text() == "0,0,0\n"
    with pytest.raises(InputError, match="holds no photo"):
        read_manifest(tmp_path)
