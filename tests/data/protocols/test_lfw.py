"""LFW's lists as text and as CSV: the real ones, and each line that may be wrong in them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from likewise.data.pairs import Pairs
from likewise.data.protocols import read_pairs
from likewise.data.protocols.lfw import read_people
from likewise.errors import InputError
from tests.data.protocols.hostile import SEEDS, cut_short_everywhere, damaged, fuzz, survives

PAIRS = "2\t1\nAnna_Ek\t1\t4\nBo_Li\t2\tCy_Oz\t1\nAnna_Ek\t2\t3\nCy_Oz\t10\tBo_Li\t1\n"
PAIRS_CSV = (
    "name,imagenum1,imagenum2,\nAnna_Ek,1,4,\nBo_Li,2,Cy_Oz,1\nAnna_Ek,2,3,\nCy_Oz,10,Bo_Li,1\n"
)
PEOPLE = "2\n2\nAnna_Ek\t4\nBo_Li\t2\n1\nCy_Oz\t10\n"
PEOPLE_CSV = "name,images\nAnna_Ek,4\nBo_Li,2\n,\nCy_Oz,10\n"


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_the_official_lists(shared_data: Path) -> None:
    protocol = shared_data / "lfw" / "protocol"
    pairs = read_pairs(protocol / "pairs.txt")
    assert len(pairs) == 6000
    assert np.bincount(pairs.fold).tolist() == [600] * 10
    assert [int(pairs.same[pairs.fold == n].sum()) for n in range(10)] == [300] * 10
    assert (pairs.left[0], pairs.right[0]) == ("Abel_Pacheco/Abel_Pacheco_0001",
                                               "Abel_Pacheco/Abel_Pacheco_0004")  # fmt: skip
    assert len(read_pairs(protocol / "pairsDevTest.txt")) == 1000
    assert len(read_pairs(protocol / "pairsDevTrain.txt")) == 2200


def as_kaggle(source: Path, folder: Path) -> tuple[Path, Path, Path]:
    """The CSV forms of an LFW list: all pairs, those of one person, those of two."""
    rows = [line.split("\t") for line in source.read_text().splitlines()[1:]]
    paths = tuple(folder / f"{kind}.csv" for kind in ("pairs", "match", "mismatch"))
    for path, kept in zip(paths, (rows, [r for r in rows if len(r) == 3],
                                  [r for r in rows if len(r) == 4]), strict=True):  # fmt: skip
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            wide = any(len(row) == 4 for row in kept)
            extra = ["name", "imagenum1"] if path.stem == "mismatch" else ["imagenum1"]
            writer.writerow(["name", *extra[-1:], "imagenum2", *([""] if wide else [])])
            writer.writerows(row + [""] * (4 * wide - len(row)) for row in kept)
    return paths[0], paths[1], paths[2]


def test_csv_forms_say_the_same(shared_data: Path, tmp_path: Path) -> None:
    official = shared_data / "lfw" / "protocol" / "pairs.txt"
    wanted = read_pairs(official)
    together, match, mismatch = as_kaggle(official, tmp_path)
    found = read_pairs(together)
    assert found.left == wanted.left
    assert found.right == wanted.right
    assert found.same.tolist() == wanted.same.tolist()
    assert found.fold.tolist() == wanted.fold.tolist()
    assert read_pairs(match).same.all()
    assert not read_pairs(mismatch).same.any()
    joined = read_pairs(match, mismatch)
    assert sorted(zip(joined.left, joined.right, joined.same.tolist(), strict=True)) == sorted(
        zip(wanted.left, wanted.right, wanted.same.tolist(), strict=True)
    )
    assert not joined.fold.any()


def test_small_lists(tmp_path: Path) -> None:
    for path in (written(tmp_path, "p.txt", PAIRS), written(tmp_path, "p.csv", PAIRS_CSV)):
        pairs = read_pairs(path)
        assert pairs.left == ["Anna_Ek/Anna_Ek_0001", "Bo_Li/Bo_Li_0002",
                              "Anna_Ek/Anna_Ek_0002", "Cy_Oz/Cy_Oz_0010"]  # fmt: skip
        assert pairs.same.tolist() == [True, False, True, False]
        assert pairs.fold.tolist() == [0, 0, 1, 1]
    blank = "name,imagenum1,imagenum2\nA,1,2\nB,1,2\n,,\nC,1,2\nD,1,2\n"
    assert read_pairs(written(tmp_path, "b.csv", blank)).fold.tolist() == [0, 0, 1, 1]


def test_a_csv_of_ones_own(tmp_path: Path) -> None:
    content = "left,right,same,fold\na/1.jpg,a/2.jpg,1,0\na/1.jpg,b/1.jpg,0,-1\n"
    pairs = read_pairs(str(written(tmp_path, "pairs.csv", content)))
    assert pairs.same.tolist() == [True, False]
    assert pairs.fold.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("p.txt", "", "line 1: expected LFW's counts"),
        ("p.txt", "²\n", "line 1: expected LFW's counts"),
        ("p.txt", "1\nA\t1\t2\nB\t1\n", "line 3: expected 3 or 4 fields, found 2"),
        ("p.txt", "1\nA\tone\t2\n", "line 2: expected a photo's number"),
        ("p.txt", "1\nA\t²\t2\n", "line 2: expected a photo's number"),
        ("p.txt", "1\n\t1\t2\n", "line 2: a name is empty"),
        ("p.txt", "2\nA\t1\t2\n", "states 4 pairs, the file has 1"),
        ("p.txt", "999999999\t999999999\nA\t1\t2\n", "the file has 1"),
        ("p.csv", "a,b\n1,2\n", "no column left, right, same; it has: a, b"),
        ("p.csv", "", "no column left, right, same; it has: none"),
        ("p.csv", "left,right,same\nx,y,perhaps\n", "line 2"),
        ("p.csv", "left,right,same,fold\nx,y,1,--5\n", "line 2"),
        ("p.csv", f"left,right,same,fold\nx,y,1,{'9' * 30}\n", "line 2"),
        ("p.csv", "left,right,same\n", "has no pairs"),
        ("p.csv", f"left,right,same\n{'x' * 200_000},y,1\n", "line 2: not valid CSV"),
        ("p.csv", "name,imagenum1,imagenum2\n", "has no pairs"),
        ("p.csv", "name,imagenum1,imagenum2\nA,1\n", "line 2: expected 3 or 4 fields"),
        ("p.csv", "name,imagenum1,imagenum2,\nA,1,2,\nB,1,C,2\nA,1,3,\n",
         "fold 1 has 2 pairs, fold 2 has 1"),
        ("p.csv", "name1,imagenum1,name2,imagenum2,label\n", "at most 4 columns, found 5"),
    ],
)  # fmt: skip
def test_bad_lists(name: str, content: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_pairs(written(tmp_path, name, content))


def test_a_list_that_is_missing_or_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_pairs(tmp_path / "absent.txt")
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(InputError, match="not a text file"):
        read_pairs(tmp_path / "p.txt")
    monkeypatch.setattr("likewise.data.text_file.MAX_TEXT_BYTES", 3)
    with pytest.raises(InputError, match="too long for a list"):
        read_pairs(written(tmp_path, "p.txt", "1\nA 1 2\n"))


def test_people(shared_data: Path) -> None:
    protocol = shared_data / "lfw" / "protocol"
    everyone = read_people(protocol / "people.csv")
    assert len(everyone) == 5749
    assert int(everyone.images.sum()) == 13_233
    assert len(np.unique(everyone.fold)) == 10
    assert everyone.names[int(np.argmax(everyone.fold == 1)) - 1] is not None
    blanks = (protocol / "people.csv").read_text().splitlines().index(",") - 1
    assert int((everyone.fold == 0).sum()) == blanks
    assert (len(read_people(protocol / "peopleDevTrain.csv")),
            len(read_people(protocol / "peopleDevTest.csv"))) == (4038, 1711)  # fmt: skip


def test_people_as_text_and_csv(tmp_path: Path) -> None:
    for path in (written(tmp_path, "p.txt", PEOPLE), written(tmp_path, "p.csv", PEOPLE_CSV)):
        people = read_people(path)
        assert people.names == ["Anna_Ek", "Bo_Li", "Cy_Oz"]
        assert people.images.tolist() == [4, 2, 10]
        assert people.fold.tolist() == [0, 0, 1]
    view1 = read_people(written(tmp_path, "d.txt", "2\nAnna_Ek\t4\nBo_Li\t2\n"))
    assert view1.fold.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("p.txt", "", "line 1: expected a count"),
        ("p.txt", "2\n1\nA\t1\n", "line 4: expected the count of fold 2"),
        ("p.txt", "1\n999999999\nA\t1\n", "line 2 states 999999999 people, 1 lines follow"),
        ("p.txt", "1\nA\tone\n", "line 2: expected a name and its number"),
        ("p.txt", "1\nA\t1\nB\t1\n", "line 3: more lines than the counts state"),
        ("p.txt", "0\n", "has no people"),
        ("p.csv", "who,images\n", "line 1: expected the columns name,images"),
        ("p.csv", "name,images\nA,\n", "line 2: expected a name and its number"),
        ("p.csv", "name,images\n,\n", "has no people"),
    ],
)  # fmt: skip
def test_bad_people(name: str, content: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_people(written(tmp_path, name, content))


READERS: list[tuple[Callable[[Path], Pairs | object], str, str]] = [
    (read_pairs, "p.txt", PAIRS),
    (read_pairs, "p.csv", PAIRS_CSV),
    (read_pairs, "o.csv", "left,right,same,fold\na,b,1,0\nc,d,0,1\n"),
    (read_people, "q.txt", PEOPLE),
    (read_people, "q.csv", PEOPLE_CSV),
]


@pytest.mark.parametrize(("read", "name", "content"), READERS)
def test_cut_short_at_every_byte(
    read: Callable[[Path], object], name: str, content: str, tmp_path: Path
) -> None:
    cut_short_everywhere(read, tmp_path / name, content.encode())


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_lists(tmp_path: Path, seed: int) -> None:
    read, name, content = READERS[seed % len(READERS)]
    survives(read, tmp_path / name, damaged(content.encode(), np.random.default_rng(seed)))


@pytest.mark.slow
@pytest.mark.parametrize(("read", "name", "content"), READERS)
def test_ten_thousand_damaged_lists(
    read: Callable[[Path], object], name: str, content: str, tmp_path: Path
) -> None:
    fuzz(read, tmp_path / name, content.encode(), 10_000)
