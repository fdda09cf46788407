"""CFP's protocol, in a small copy of its folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from likewise.data.pairs import match_names
from likewise.data.protocols import read_pairs
from likewise.data.protocols.cfp import read_cfp
from likewise.errors import InputError
from tests.data.protocols.hostile import SEEDS, damaged, fuzz, survives


@pytest.fixture
def cfp(tmp_path: Path) -> Path:
    """Two people with two frontal photos and one profile each; two folds."""
    folder = tmp_path / "cfp"
    protocol = folder / "Protocol"
    for kind in ("FF", "FP"):
        for fold in ("01", "02"):
            (protocol / "Split" / kind / fold).mkdir(parents=True)
    frontal = [f"../Data/Images/00{p}/frontal/0{k}.jpg" for p in (1, 2) for k in (1, 2)]
    profile = [f"../Data/Images/00{p}/profile/01.jpg" for p in (1, 2)]
    for name, paths in (("F", frontal), ("P", profile)):
        lines = [f"{number} {path}\n" for number, path in enumerate(paths, start=1)]
        (protocol / f"Pair_list_{name}.txt").write_text("".join(lines))
    split = protocol / "Split"
    (split / "FF/01/same.txt").write_text("1,2\n")
    (split / "FF/01/diff.txt").write_text("1,3\r\n")
    (split / "FF/02/same.txt").write_text("3,4\n")
    (split / "FF/02/diff.txt").write_text("2,4\n\n")
    (split / "FP/01/same.txt").write_text("1,1\n2,1\n")
    (split / "FP/01/diff.txt").write_text("1,2")
    (split / "FP/02/same.txt").write_text("3,2\n")
    (split / "FP/02/diff.txt").write_text("4,1\n")
    return folder


def test_both_kinds(cfp: Path) -> None:
    pairs = read_cfp(cfp, "FP")
    assert list(zip(pairs.left, pairs.right, strict=True)) == [
        ("001/frontal/01.jpg", "001/profile/01.jpg"),
        ("001/frontal/02.jpg", "001/profile/01.jpg"),
        ("001/frontal/01.jpg", "002/profile/01.jpg"),
        ("002/frontal/01.jpg", "002/profile/01.jpg"),
        ("002/frontal/02.jpg", "001/profile/01.jpg"),
    ]
    assert pairs.same.tolist() == [True, True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 0, 1, 1]
    frontal = read_cfp(cfp / "Protocol", "FF")
    assert frontal.right == [f"00{p}/frontal/0{k}.jpg" for p, k in ((1, 2), (2, 1), (2, 2), (2, 2))]
    assert not match_names(pairs, sorted({*pairs.left, *pairs.right}))[1]


def test_the_folder_says_which(cfp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_pairs(cfp / "Protocol" / "Split" / "FP").left == read_cfp(cfp, "FP").left
    monkeypatch.chdir(cfp / "Protocol" / "Split")
    assert read_pairs(Path("FF")).right == read_cfp(cfp, "FF").right
    with pytest.raises(InputError, match="choose FF or FP"):
        read_pairs(cfp)
    with pytest.raises(InputError, match="kind: unknown value 'PP'"):
        read_cfp(cfp, "PP")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("Pair_list_P.txt", "1\n", "Pair_list_P.txt: line 1: expected a number and a path"),
        ("Pair_list_P.txt", "1 a\n1 b\n", "line 2: photo 1 is repeated"),
        ("Pair_list_F.txt", "", "same.txt: line 1: the list of photos has no number 1"),
        ("Split/FP/02/diff.txt", "1,1\n1\n", "02/diff.txt: line 2: expected two numbers"),
        ("Split/FP/02/diff.txt", "1,9\n", "line 1: the list of photos has no number 9"),
        ("Split/FP/02/diff.txt", None, "diff.txt: no such file"),
        ("Pair_list_P.txt", None, "Pair_list_P.txt: no such file"),
    ],
)
def test_bad_files(file: str, content: str | None, problem: str, cfp: Path) -> None:
    path = cfp / "Protocol" / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=problem):
        read_cfp(cfp, "FP")


def test_no_splits(tmp_path: Path, cfp: Path) -> None:
    for fold in ("01", "02"):
        for name in ("same.txt", "diff.txt"):
            (cfp / "Protocol/Split/FP" / fold / name).write_text("")
    with pytest.raises(InputError, match="holds no pairs"):
        read_cfp(cfp, "FP")
    with pytest.raises(InputError, match="no such file"):
        read_cfp(tmp_path, "FP")


def read_around(path: Path) -> object:
    """Read the protocol that a file belongs to."""
    folder = next(parent for parent in path.parents if parent.name == "Protocol")
    try:
        return read_cfp(folder, "FP")
    except InputError as error:  # the complaint may be about the file that refers to this one
        raise InputError(f"{path}: {error}") from None


FILES = ("Pair_list_F.txt", "Pair_list_P.txt", "Split/FP/01/same.txt")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_files(cfp: Path, seed: int) -> None:
    path = cfp / "Protocol" / FILES[seed % 3]
    good = path.read_bytes()
    survives(read_around, path, damaged(good, np.random.default_rng(seed)))
    path.write_bytes(good)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_ten_thousand_damaged_files(file: str, cfp: Path) -> None:
    path = cfp / "Protocol" / file
    fuzz(read_around, path, path.read_bytes(), 10_000)
