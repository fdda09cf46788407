"""``aligned``: crops in the cache, found again by the next command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from likewise.data.convert import convert
from likewise.data.formats import read_manifest
from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError
from likewise.faces.aligned_set.cached import USED, aligned
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.models.shared_embedding import _state
from tests.faces.aligned_set.conftest import PEOPLE, SquareFinder, Tree, square_photo

Squares = list[SquareFinder]


def colours(manifest: Manifest) -> list[tuple[int, ...]]:
    return [tuple(np.asarray(decode(photo))[50, 50].tolist()) for photo in manifest.photos()]


def crops(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.jpg"))


def test_names_identities_and_metadata_stay(people: Path, squares: Squares, tree: Tree) -> None:
    before = tree(people)
    source = read_manifest(people)
    ages = pa.array(range(len(source)))
    source = Manifest(source.table.append_column("age", ages), source.root)
    found, report = aligned(source)
    rows = [source.names.index(name) for name in found.names]
    assert len(found) == 6
    assert report.counts == {"one": 3, "several": 3, "none": 1, "broken": 1}
    for column in ("identity", "age"):
        assert found.table[column].to_pylist() == [source.table[column][r].as_py() for r in rows]
    assert found.alignment == "arcface-112 yunet+onet"
    for person, colour in zip(found.table["identity"].to_pylist(), colours(found), strict=True):
        assert np.abs(np.array(colour) - PEOPLE[person]).max() <= 3
    assert found.take([2]).alignment == found.alignment
    assert decode(found.named("bob/two.png")).size == (112, 112)
    assert tree(people) == before


def test_a_second_call_aligns_nothing_and_a_changed_photo_alone(
    people: Path, squares: Squares, own_cache: Path
) -> None:
    manifest = read_manifest(people)
    first, _ = aligned(manifest)
    assert sum(finder.calls for finder in squares) == 7  # the broken one is not looked at
    squares.clear()
    again, report = aligned(manifest)
    assert sum(finder.calls for finder in squares) == 0
    assert report.done_now == 0
    assert again.table.equals(first.table)
    state = _state(first)
    square_photo("bob", (10, 10, 12)).save(people / "anna" / "one.png")
    changed, report = aligned(read_manifest(people))
    assert report.done_now == 1
    assert colours(changed)[changed.names.index("anna/one.png")][1] > 150
    assert _state(changed) != state  # vectors of the old crops are not taken for it
    assert len(crops(own_cache)) == 6  # the old crop is gone


def test_crops_of_photos_that_are_gone_go_too(
    people: Path, squares: Squares, own_cache: Path
) -> None:
    aligned(read_manifest(people))
    # A part of the set removes nothing.
    aligned(read_manifest(people).take([0, 1]))
    assert len(crops(own_cache)) == 6
    (people / "carl" / "two.png").unlink()
    aligned(read_manifest(people))
    assert len(crops(own_cache)) == 5


def test_each_setting_has_its_own_crops(people: Path, squares: Squares, own_cache: Path) -> None:
    aligned(read_manifest(people))
    found, _ = aligned(read_manifest(people), AlignSettings(size=64))
    assert decode(found.photo(0)).size == (64, 64)
    assert len(crops(own_cache)) == 12
    assert own_cache.stat().st_mode & 0o077 == 0  # for its owner only


def test_photos_in_containers(people: Path, tmp_path: Path, squares: Squares) -> None:
    convert(people, tmp_path / "rec", "recordio")
    manifest = read_manifest(tmp_path / "rec")
    found, report = aligned(manifest)
    assert len(found) == 6
    assert {colour.index(max(colour)) for colour in colours(found)} == {0, 1, 2}
    assert aligned(manifest)[1].done_now == 0
    assert report.done_now == 8


def test_broken_photos_may_be_refused_and_no_face_at_all_is_an_error(
    people: Path, squares: Squares
) -> None:
    with pytest.raises(BadImage, match=r"broken\.png"):
        aligned(read_manifest(people), on_bad_image="refuse")
    for path in people.rglob("*.png"):
        Image.new("RGB", (50, 50)).save(path)
    with pytest.raises(LikewiseError, match="no face in any of the 8 photos .*leave --detect out"):
        aligned(read_manifest(people))


def test_sets_that_were_not_used_for_long_are_removed(
    people: Path, squares: Squares, own_cache: Path
) -> None:
    aligned(read_manifest(people))
    (own,) = (own_cache / "aligned").iterdir()
    long_ago = time.time() - 61 * 86_400
    os.utime(own / USED, (long_ago, long_ago))
    aligned(read_manifest(people))  # its own set is used, not removed
    assert own.exists()
    os.utime(own / USED, (long_ago, long_ago))
    aligned(read_manifest(people), AlignSettings(size=64))
    assert not own.exists()


def test_a_crop_that_was_deleted_is_made_again(
    people: Path, squares: Squares, own_cache: Path
) -> None:
    aligned(read_manifest(people))
    crops(own_cache)[0].unlink()
    crops(own_cache)[0].write_bytes(b"")
    found, report = aligned(read_manifest(people))
    assert report.done_now == 2
    assert len(colours(found)) == 6


@pytest.mark.slow
def test_processes_of_one_command_do_the_work_once(
    real_faces: Path, own_cache: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, hashlib, likewise\n"
        "from likewise.faces.aligned_set.cached import aligned\n"
        "found, report = aligned(likewise.read_manifest(sys.argv[1]).take(range(30)))\n"
        "crops = b''.join(photo.read() for photo in found.photos())\n"
        "print(report.done_now, hashlib.sha256(crops).hexdigest())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(real_faces)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "3"},
        )
        for rank in range(3)
    ]  # fmt: skip
    answers = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(int(count) for count, _ in answers) == [0, 0, 30]
    assert len({digest for _, digest in answers}) == 1
