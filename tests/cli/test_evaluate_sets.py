"""``likewise evaluate`` on sets that bring their own pairs, and on archives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from likewise.data.manifest import read_manifest
from likewise.data.pairs import Pairs
from likewise.data.protocols.verification_bin import pack_pairs
from tests.cli.test_commands import answer, run


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


def test_what_a_bin_set_cannot_do(
    bin_set: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "train", bin_set, "--out", tmp_path / "run")
    assert code == 2
    assert "does not say whom its photos show" in err
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
