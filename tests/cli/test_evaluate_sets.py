"""``likewise evaluate`` on .bin sets, archives and tables with a column split."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import likewise
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.data.manifest import Manifest
from likewise.data.pairs import Pairs
from likewise.data.protocols.verification_bin import pack_pairs
from tests.cli.test_commands import answer, run
from tests.conftest import make_photos


@pytest.fixture
def bin_set(photos: Path, tmp_path: Path) -> Path:
    """Twelve pairs of three people: more than ten, so there are folds."""
    left = [f"{p}/{k}" for p in ("anna", "bob", "carl") for k in (0, 2)] * 2
    right = [f"{p}/{k}" for p in ("anna", "bob", "carl") for k in (1, 3)]
    right += [f"{p}/{k}" for p in ("bob", "carl", "anna") for k in (1, 3)]
    pairs = Pairs(left, right, np.arange(12) < 6, np.zeros(12, np.int64))
    pack_pairs(tmp_path / "faces.bin", pairs, read_manifest(photos))
    return tmp_path / "faces.bin"


def test_a_bin_set_is_verified_by_its_own_pairs(
    bin_set: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "evaluate", bin_set, "--model", model, "--out", tmp_path / "report")
    measured = found["verification"]
    assert (measured["genuine_pairs"], measured["impostor_pairs"]) == (6, 6)
    assert len(found["folds"]["of_each"]) == 10
    assert found["settings"]["pairs_file"] == "faces.bin"
    assert (tmp_path / "report" / "report.html").read_text().count("data:image/jpeg") == 24
    # The same pairs, given to embeddings of the same photos.
    run(capsys, "embed", bin_set, "--model", model, "--out", tmp_path / "e.parquet")
    again = answer(capsys, "evaluate", tmp_path / "e.parquet", "--pairs", bin_set)
    assert again["verification"] == measured


def test_wrong_use_of_a_bin_set(
    bin_set: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "train", bin_set, "--out", tmp_path / "run")
    assert code == 2
    assert "its photos have no identities" in err
    bin_set.write_bytes(b"\x80\x02cos\nsystem\nU\x02lsR.")
    code, _, err = run(capsys, "evaluate", bin_set, "--model", model)
    assert code == 2
    assert "pickle asks for os.system: refused" in " ".join(err.split())


def test_an_archive_is_evaluated_as_its_folder(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for photo in photos.rglob("*.png"):
            archive.write(photo, f"set/{photo.relative_to(photos)}")
    wanted = answer(capsys, "evaluate", photos, "--model", model)
    found = answer(capsys, "evaluate", tmp_path / "p.zip", "--model", model)
    assert found["verification"] == wanted["verification"]
    assert found["settings"]["data_fingerprint"] == wanted["settings"]["data_fingerprint"]


@pytest.fixture
def divided(tmp_path: Path) -> list[str | Path]:
    """Nine people in a table with a column split: three in training, two in val, four in test."""
    folder = make_photos(tmp_path / "nine", people=9)
    found = read_manifest(folder)
    split = pa.array(["train" if n < 3 else "val" if n < 5 else "test" for n in found.labels])
    write_table(Manifest(found.table.append_column("split", split), folder), tmp_path / "split.csv")
    return [tmp_path / "split.csv", "--root", folder]


FEW = ("--tasks", "none", "--replicates", 0)


@pytest.mark.parametrize(
    ("option", "people"), [((), 4), (("--split", "train"), 3), (("--split", "all"), 9)]
)
def test_one_split_is_evaluated(
    divided: list[str | Path],
    model: Path,
    option: tuple[str, ...],
    people: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The split test by default; four photos per identity make six pairs."""
    found = answer(capsys, "evaluate", *divided, "--model", model, *FEW, *option)
    assert found["verification"]["genuine_pairs"] == 6 * people
    assert found["settings"].get("split") == {4: "test", 3: "train", 9: None}[people]


def test_the_default_split_is_reported(
    divided: list[str | Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = run(capsys, "evaluate", *divided, "--model", model, *FEW)
    assert (
        "split.csv: only the 16 photos of the split test are used (others: train 12, val 8)" in err
    )
    run(capsys, "embed", *divided, "--model", model, "--out", tmp_path / "e.parquet")
    again = answer(capsys, "evaluate", tmp_path / "e.parquet", *FEW)
    assert again["verification"]["genuine_pairs"] == 24
    for options, problem in (
        (["--split", "tset"], "did you mean 'test'"),
        (["--split", "val"], "--split val: there is no column split"),
    ):
        data = divided if options[1] == "tset" else divided[2:]
        code, _, err = run(capsys, "evaluate", *data, "--model", model, *FEW, *options)
        assert (code, len(err.splitlines())) == (2, 1)
        assert problem in err


def test_training_identities_are_reported(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fixture model was trained on five of person00 … person07."""
    known = likewise.load(model).identities
    assert known is not None
    seen = make_photos(tmp_path / "seen", people=12)
    out = tmp_path / "report"
    found = answer(capsys, "evaluate", seen, "--model", model, *FEW, "--out", out)
    assert found["trained_on"] == sorted(known)
    assert (
        f"{len(known)} of these people have the same names as people"
        in (out / "report.html").read_text()
    )
    _, _, err = run(capsys, "evaluate", seen, "--model", model, *FEW)
    assert f"warning: {len(known)} of these identities have the same names" in err
    some = sorted(known)[0]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        f"left,right,same\n{some}/0.png,{some}/1.png,1\nperson10/0.png,person11/0.png,0\n"
    )
    listed = answer(capsys, "evaluate", seen, "--model", model, *FEW, "--pairs", pairs)
    assert listed["trained_on"] == [some]
    strangers = make_photos(tmp_path / "strangers", ("x", "y", "z"))
    _, _, err = run(capsys, "evaluate", strangers, "--model", model, *FEW)
    assert "warning" not in err


def test_calibration_uses_the_split_val(
    divided: list[str | Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "model"
    shutil.copytree(model, own)
    options = ("--fmr", 0.1, "--replicates", 20)
    for more, impostor in (((), 4 * 4), (("--split", "all"), 36 * 35 // 2 - 9 * 6)):
        found = answer(capsys, "calibrate", *divided, "--model", own, *options, *more)
        assert found["operating_point"]["impostor"] == impostor


@pytest.mark.parametrize("spread", [1e-5, 1.0])
def test_equal_embeddings_give_a_warning(
    spread: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    names = [f"{person}/{photo}" for person in "abcdef" for photo in "123"]
    vectors = random.normal(size=16) + spread * random.normal(size=(len(names), 16))
    items = pa.table({"path": names, "identity": [name[0] for name in names]})
    file = tmp_path / "e.parquet"
    likewise.write_embeddings(likewise.Embeddings(vectors.astype(np.float32), items), file)
    words = ("evaluate", file, "--tasks", "none", "--replicates", 0)
    code, _, err = run(capsys, *words)
    assert (code, "all embeddings are equal" in " ".join(err.split())) == (0, spread < 1)
