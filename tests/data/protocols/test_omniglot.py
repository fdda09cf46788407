"""Omniglot's archives as they were published, and its one-shot runs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from likewise.data.formats import read_manifest
from likewise.data.images import decode
from likewise.data.protocols.omniglot import read_one_shot_runs
from likewise.errors import InputError
from tests.data.protocols.hostile import SEEDS, cut_short_everywhere, damaged, fuzz, survives

RUNS = {
    "runs/run02/test/item01.png": b"two one",
    "runs/run02/training/class01.png": b"two a",
    "runs/run02/class_labels.txt": b"run02/test/item01.png run02/training/class01.png\n",
    "runs/run01/class_labels.txt": b"all/run01/test/item01.png all/run01/training/class02.png\n"
    b"all/run01/test/item02.png all/run01/training/class01.png\n",
    "runs/run01/test/item01.png": b"one one",
    "runs/run01/test/item02.png": b"one two",
    "runs/run01/training/class01.png": b"one a",
    "runs/run01/training/class02.png": b"one b",
    "__MACOSX/runs/run01/class_labels.txt": b"\xff",
}


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "characters", "alphabets"),
    [("images_background.zip", 964, 30), ("images_evaluation.zip", 659, 20)],
)
def test_the_published_archives(
    name: str, characters: int, alphabets: int, shared_data: Path
) -> None:
    path = shared_data / "omniglot" / name
    manifest = read_manifest(path)
    assert len(manifest) == 20 * characters
    assert len(manifest.identities) == characters
    assert np.bincount(manifest.labels).tolist() == [20] * characters
    assert len(set(manifest.table["alphabet"].to_pylist())) == alphabets
    assert np.bincount(manifest.table["drawer"].to_numpy()).tolist() == [0, *[characters] * 20]
    with zipfile.ZipFile(path) as archive:
        for row in range(0, len(manifest), 997):
            wanted = archive.read(f"{path.stem}/{manifest.names[row]}")
            assert manifest.photo(row).read() == wanted
    assert decode(manifest.photo(0), channels=1).size == (105, 105)


def test_one_alphabet_keeps_its_name(tmp_path: Path) -> None:
    names = [f"images/Greek/character{c:02d}/0{c:03d}_{d:02d}.png" for c in (1, 2) for d in (1, 2)]
    (tmp_path / "o.zip").write_bytes(zipped({name: name.encode() for name in names}))
    manifest = read_manifest(tmp_path / "o.zip")
    assert manifest.identities == ["Greek/character01", "Greek/character02"]
    assert manifest.table["drawer"].to_pylist() == [1, 2, 1, 2]
    assert manifest.names[0] == "Greek/character01/0001_01.png"


def test_the_official_runs(shared_data: Path) -> None:
    path = shared_data / "omniglot" / "one_shot_runs.zip"
    found = read_one_shot_runs(path)
    assert [run.name for run in found.runs] == [f"run{n:02d}" for n in range(1, 21)]
    names = found.images.names
    for run in found.runs:
        assert sorted(run.answers.tolist()) == list(range(20))  # each character once
        assert len(run.tests) == len(run.training) == 20
        with zipfile.ZipFile(path) as archive:
            inner = archive.read(f"one_shot_runs/all_runs/{run.name}/class_labels.txt").decode()
        for trial, line in enumerate(inner.splitlines()):
            test, shown = line.split()
            assert test.endswith(names[run.tests[trial]])
            assert shown.endswith(names[run.training[run.answers[trial]]])
    labels = found.images.labels
    first = found.runs[0]
    assert (labels[first.tests] == labels[first.training[first.answers]]).all()


def test_small_runs(tmp_path: Path) -> None:
    (tmp_path / "r.zip").write_bytes(zipped(RUNS))
    found = read_one_shot_runs(str(tmp_path / "r.zip"))
    assert [run.name for run in found.runs] == ["run01", "run02"]
    assert found.runs[0].answers.tolist() == [1, 0]
    contents = [photo.read() for photo in found.images.photos()]
    assert [contents[row] for row in found.runs[0].tests] == [b"one one", b"one two"]
    assert [contents[row] for row in found.runs[0].training] == [b"one a", b"one b"]
    assert [contents[row] for row in found.runs[1].tests] == [b"two one"]
    assert found.images.table["identity"].to_pylist()[:2] == ["run01/class02", "run01/class01"]


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (b"one\n", "run02/class_labels.txt': line 1: expected a test image and a training image"),
        (b"test/item01.png training/class09.png", "line 1: 'training/class09.png' is not among"),
        (b"test/item09.png training/class01.png", "line 1: 'test/item09.png' is not among"),
        (b"test/item01.png test/item01.png", "line 1: 'test/item01.png' is not among"),
        (b"\n", "has no trials"),
        (b"\xff", "not a text"),
        (b"x" * (2**20 + 1), "is too long for a list of trials"),
    ],
)
def test_bad_runs(labels: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    path.write_bytes(zipped({**RUNS, "runs/run02/class_labels.txt": labels}))
    with pytest.raises(InputError, match=problem):
        read_one_shot_runs(path)


def test_no_runs(tmp_path: Path) -> None:
    (tmp_path / "r.zip").write_bytes(zipped({"a/1.png": b"x"}))
    with pytest.raises(InputError, match="no class_labels.txt"):
        read_one_shot_runs(tmp_path / "r.zip")


def read_all(path: Path) -> None:
    for photo in read_one_shot_runs(path).images.photos():
        photo.read()


def test_cut_short_at_every_byte(tmp_path: Path) -> None:
    assert cut_short_everywhere(read_all, tmp_path / "r.zip", zipped(RUNS)) == 0


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_runs(tmp_path: Path, seed: int) -> None:
    content = zipped(RUNS)
    survives(read_all, tmp_path / "r.zip", damaged(content, np.random.default_rng(seed)))


@pytest.mark.slow
def test_ten_thousand_damaged_runs(tmp_path: Path) -> None:
    fuzz(read_all, tmp_path / "r.zip", zipped(RUNS), 10_000)
