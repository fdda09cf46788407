"""``align_photos``: a folder of crops that the folder reader reads, resumable after a kill."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from likewise.data.convert import convert
from likewise.data.formats import read_manifest
from likewise.errors import InputError, LikewiseError, MissingExtra
from likewise.faces.aligned_set.folder import align_photos
from likewise.faces.aligned_set.journal import JOURNAL
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.faces.detectors.detector import DETECTORS, register_detector
from likewise.faces.detectors.yunet import YuNet
from tests.faces.aligned_set.conftest import PEOPLE, SquareFinder, Tree, square_photo

CROPS = {f"{person}/{photo}.jpg" for person in PEOPLE for photo in ("one", "two")}
Squares = list[SquareFinder]


def test_the_crops_are_read_as_the_same_people(
    people: Path, tmp_path: Path, squares: Squares, tree: Tree, caplog: pytest.LogCaptureFixture
) -> None:
    before = tree(people)
    report = align_photos(people, tmp_path / "out")
    assert report.counts == {"one": 3, "several": 3, "none": 1, "broken": 1}
    assert tree(people) == before  # nothing is written there
    caplog.clear()
    found = read_manifest(tmp_path / "out")
    assert caplog.text == ""  # what lies beside the crops is not told as left out
    assert set(found.names) == CROPS
    assert found.identities == sorted(PEOPLE)
    assert found.alignment == "arcface-112 yunet+onet"
    for name, person in zip(found.names, found.table["identity"].to_pylist(), strict=True):
        pixels = np.asarray(Image.open(tmp_path / "out" / name).convert("RGB"), int)
        assert pixels.shape == (112, 112, 3)
        assert np.abs(pixels - PEOPLE[person]).max() <= 3


def test_what_came_of_each_photo_is_told(people: Path, tmp_path: Path, squares: Squares) -> None:
    out = tmp_path / "out"
    report = align_photos(people, out)
    assert {(bad.name, bad.reason) for bad in report.left_out} == {
        ("anna/none.png", "no face; the best candidate (40 px at 1, 2): too faint"),
        ("bob/broken.png", next(b.reason for b in report.left_out if "broken" in b.name)),
    }
    lines = " ".join(report.lines())
    assert "6 of 8 photos have a face" in lines
    assert "3 have several; taken: the one that is large and near the middle" in lines
    assert "no face: 1 (anna/none.png)" in lines
    rows = list(csv.DictReader((out / "alignment.csv").open(encoding="utf-8")))
    assert [row["status"] for row in rows].count("several") == 3
    two = next(row for row in rows if row["photo"] == "bob/two.png")
    assert (two["faces"], two["file"], two["x"]) == ("2", "bob/two.jpg", "40.0")
    record = json.loads((out / "alignment.json").read_text())
    assert record["finished"] is True
    assert record["template"] == "arcface"
    assert record["several"] == 3
    assert len(record["landmarks"]["sha256"]) == 64
    page = (out / "alignment.html").read_text(encoding="utf-8")
    for text in ("Several faces", "No face", "Broken photos", "anna/none.png", "bob/broken.png",
                 "Nothing tells which"):  # fmt: skip
        assert text in page


def test_resuming_aligns_only_what_is_new_or_changed(
    people: Path, tmp_path: Path, squares: Squares, tree: Tree
) -> None:
    out = tmp_path / "out"
    align_photos(people, out)
    crops = {name: state for name, state in tree(out).items() if name.endswith(".jpg")}
    again = align_photos(people, out, resume=True)
    assert again.done_now == 0
    assert {n: s for n, s in tree(out).items() if n.endswith(".jpg")} == crops
    square_photo("bob", (10, 10, 12)).save(people / "anna" / "one.png")  # changed
    square_photo("carl", (10, 10, 12)).save(people / "carl" / "new.png")
    (out / "bob" / "one.jpg").write_bytes(b"cut")  # by a power cut
    (people / "bob" / "two.png").unlink()
    report = align_photos(people, out, resume=True)
    assert (report.done_now, report.gone) == (3, 1)
    assert "1 photos are no longer in the source; their crops were kept" in report.lines()[-1]
    changed = np.asarray(Image.open(out / "anna" / "one.jpg"), int)
    assert np.abs(changed - PEOPLE["bob"]).max() <= 3
    assert (out / "bob" / "two.jpg").exists()
    # A changed photo without a face loses its crop.
    square_photo("anna").save(people / "anna" / "two.png")
    align_photos(people, out, resume=True)
    assert not (out / "anna" / "two.jpg").exists()


def test_all_faces_and_other_settings(people: Path, tmp_path: Path, squares: Squares) -> None:
    settings = AlignSettings("ffhq", 64, keep="all", format="png")
    report = align_photos(people, tmp_path / "out", settings)
    assert report.crops == 9
    found = read_manifest(tmp_path / "out")
    assert "bob/two~2.png" in found.names
    assert found.alignment == "ffhq-64 yunet+onet"
    with pytest.raises(InputError, match="was begun with another template"):
        align_photos(people, tmp_path / "out", AlignSettings(), resume=True)


@pytest.mark.parametrize("kind", ["zip", "recordio", "tar", "parquet", "csv"])
def test_every_source_is_aligned(kind: str, people: Path, tmp_path: Path, squares: Squares) -> None:
    source = tmp_path / f"set.{kind}"
    if kind == "zip":
        with ZipFile(source, "w") as archive:
            for path in sorted(people.rglob("*.png")):
                archive.write(path, path.relative_to(people))
    elif kind == "csv":
        rows = [f"{p.relative_to(people)},{p.parent.name},val" for p in people.rglob("*.png")]
        source.write_text("path,identity,split\n" + "\n".join(rows))
    else:
        convert(people, source, kind)
    root = people if kind == "csv" else None
    report = align_photos(source, tmp_path / "out", root=root)
    assert report.counts == {"one": 3, "several": 3, "none": 1, "broken": 1}
    found = read_manifest(tmp_path / "out")
    assert len(found) == 6
    colours = {
        person: np.asarray(Image.open(found.photo(row)).convert("RGB"))[0, 0].astype(int)  # type: ignore[arg-type]  # files
        for row, person in enumerate(found.table["identity"].to_pylist())
    }
    assert len(colours) == 3
    assert {int(colour.argmax()) for colour in colours.values()} == {0, 1, 2}
    assert align_photos(source, tmp_path / "out", root=root, resume=True).done_now == 0


def test_a_photo_whose_identity_was_corrected_moves(
    people: Path, tmp_path: Path, squares: Squares
) -> None:
    table, out = people / "list.csv", tmp_path / "out"
    table.write_text("path,identity\nanna/one.png,anna\nanna/two.png,anna\nbob/one.png,bob\n")
    align_photos(table, out)
    table.write_text("path,identity\nanna/one.png,anna\nanna/two.png,bob\nbob/one.png,bob\n")
    assert align_photos(table, out, resume=True).done_now == 1
    found = read_manifest(out)
    assert sorted(found.names) == ["anna/one.jpg", "bob/anna/two.jpg", "bob/one.jpg"]
    assert align_photos(table, out, resume=True).done_now == 0


def test_two_photos_that_swap_their_places_keep_both_crops(
    people: Path, tmp_path: Path, squares: Squares
) -> None:
    table, out = people / "list.csv", tmp_path / "out"
    table.write_text("path,identity,split\nanna/one.png,x,val\nx/anna/one.png,x,train\n")
    (people / "x/anna").mkdir(parents=True)
    square_photo("bob", (40, 40, 10)).save(people / "x/anna/one.png")
    align_photos(table, out)
    table.write_text("path,identity,split\nanna/one.png,x,train\nx/anna/one.png,x,val\n")
    report = align_photos(table, out, resume=True)
    files = {face.file for outcome in report.outcomes for face in outcome.taken}
    assert files == {"train/x/anna/one.jpg", "val/x/anna/one.jpg"}
    for file, person in (("train/x/anna/one.jpg", "anna"), ("val/x/anna/one.jpg", "bob")):
        pixels = np.asarray(Image.open(out / file).convert("RGB"), int)
        assert np.abs(pixels - PEOPLE[person]).max() <= 3


def test_a_further_face_does_not_replace_the_photo_with_its_name(
    people: Path, tmp_path: Path, squares: Squares
) -> None:
    square_photo("carl", (40, 40, 10)).save(people / "bob" / "two~2.png")
    report = align_photos(people, tmp_path / "out", AlignSettings(keep="all"))
    files = [face.file for outcome in report.outcomes for face in outcome.taken]
    assert len(set(files)) == len(files) == 10
    assert {"bob/two.jpg", "bob/two~2.jpg"} < set(files)


def test_the_crops_of_a_table_may_lie_beside_it(
    people: Path, squares: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    (people / "list.csv").write_text("path,identity\nanna/one.png,anna\nbob/one.png,bob\n")
    monkeypatch.chdir(people)
    assert align_photos("list.csv", "aligned").crops == 2


def test_folders_of_splits_are_kept(people: Path, tmp_path: Path, squares: Squares) -> None:
    for split, person in (("train", "anna"), ("train", "bob"), ("test", "carl")):
        (tmp_path / "sides" / split).mkdir(parents=True, exist_ok=True)
        (people / person).rename(tmp_path / "sides" / split / person)
    source = read_manifest(tmp_path / "sides")
    align_photos(tmp_path / "sides", tmp_path / "out")
    found = read_manifest(tmp_path / "out")
    assert found.identities == source.identities
    sides = dict(zip(found.table["identity"].to_pylist(), found.table["split"].to_pylist(),
                     strict=True))  # fmt: skip
    assert sides == {"anna": "train", "bob": "train", "carl": "test"}


def test_unusable_places_are_refused(people: Path, tmp_path: Path, squares: Squares) -> None:
    with pytest.raises(InputError, match="lies in the source"):
        align_photos(people, people / "aligned")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(InputError, match="not empty and not aligned here"):
        align_photos(people, tmp_path / "full", resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        align_photos(people, tmp_path / "file")
    align_photos(people, tmp_path / "out")
    with pytest.raises(InputError, match="continue with --resume"):
        align_photos(people, tmp_path / "out")


def test_a_missing_extra_leaves_nothing(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finder(settings: AlignSettings) -> None:
        raise MissingExtra("yunet", "faces")

    monkeypatch.setattr(AlignSettings, "finder", finder)
    with pytest.raises(MissingExtra, match=r"likewise\[faces\]"):
        align_photos(people, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_keeps_what_is_done(
    people: Path, tmp_path: Path, squares: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, seen = SquareFinder.find, []

    def interrupted(self: SquareFinder, photo: Image.Image) -> object:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(1)
        return find(self, photo)

    monkeypatch.setattr(SquareFinder, "find", interrupted)
    with pytest.raises(KeyboardInterrupt):
        align_photos(people, tmp_path / "out")
    assert not list(tmp_path.rglob("*.tmp"))
    monkeypatch.setattr(SquareFinder, "find", find)
    report = align_photos(people, tmp_path / "out", resume=True)
    assert report.done_now == 8 - 4  # the broken one was done, too
    assert set(read_manifest(tmp_path / "out").names) == CROPS


def aligned_by_command(source: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "likewise", "data", "align", str(source), str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def crops_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.jpg"))}


@pytest.fixture
def lfw(real_faces: Path, tmp_path: Path) -> Path:
    """Twenty-four raw photos of eight people, by links."""
    for folder in sorted(real_faces.iterdir())[:8]:
        (tmp_path / "lfw").mkdir(exist_ok=True)
        (tmp_path / "lfw" / folder.name).symlink_to(folder)
    return tmp_path / "lfw"


@pytest.mark.slow
def test_a_killed_run_is_continued_to_the_same_files(lfw: Path, tmp_path: Path) -> None:
    report = align_photos(lfw, tmp_path / "whole")
    assert report.counts["one"] + report.counts["several"] == len(report.outcomes)
    out = tmp_path / "killed"
    process = aligned_by_command(lfw, out)
    while not (out / JOURNAL).exists() or (out / JOURNAL).read_bytes().count(b"\n") < 4:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = (out / JOURNAL).read_bytes().count(b"\n") - 1
    assert 3 <= done < len(report.outcomes)
    again = align_photos(lfw, out, resume=True)
    assert again.done_now == len(report.outcomes) - done
    assert crops_in(out) == crops_in(tmp_path / "whole")


@pytest.mark.slow
def test_several_processes_give_the_same_files(lfw: Path, tmp_path: Path) -> None:
    align_photos(lfw, tmp_path / "one")
    assert aligned_by_command(lfw, tmp_path / "two", "--processes", "2").wait() == 0
    assert crops_in(tmp_path / "two") == crops_in(tmp_path / "one")
    assert not list((tmp_path / "two").rglob("*.tmp"))


def test_processes_that_do_not_know_a_detector_say_so(lfw: Path, tmp_path: Path) -> None:
    @register_detector("here_only")
    class HereOnly(YuNet):
        name = "here_only"

    try:
        with pytest.raises(InputError, match="detector here_only: other processes do not know it"):
            align_photos(lfw, tmp_path / "out", AlignSettings(detector="here_only"), processes=2)
    finally:
        DETECTORS._kinds.pop("here_only")


def test_the_disk_may_be_full(
    people: Path, tmp_path: Path, squares: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name.endswith(".tmp"):
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LikewiseError, match="No space left on device"):
        align_photos(people, tmp_path / "out")
