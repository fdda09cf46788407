"""``likewise data convert`` and ``likewise data split``."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.data.formats import read_manifest
from tests.cli.test_commands import answer, run
from tests.conftest import make_photos


@pytest.mark.parametrize("command", ["convert", "split"])
def test_help_ends_in_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", command, "--help")
    assert code == 0
    last = " ".join(out.rsplit("╯", 1)[1].split())
    assert last.startswith(f"Example: likewise data {command}")
    assert "--json" in out


def test_convert(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "anna" / "broken.jpg").write_text("no photo")
    out = tmp_path / "shards"
    done = answer(capsys, "data", "convert", photos, out, "--to", "tar", "--check")
    assert (done["photos"], done["broken"], done["verified"]) == (13, 1, True)
    assert done["named"][0]["path"] == "anna/broken.jpg"
    code, printed, err = run(
        capsys, "data", "convert", out, tmp_path / "p", "--to", "parquet", "--check", "--no-verify"
    )
    assert code == 0
    assert printed.startswith("13 photos of 3 identities, ")
    assert "verified" not in printed
    assert "1 broken photo was copied" in err


def test_split_refuses_an_out_that_is_a_table(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split.csv"
    code, _, err = run(capsys, "data", "split", photos, "--out", out)
    assert code == 2
    assert "split.csv: must be a folder" in err
    assert not out.exists()


def test_a_split_works_with_every_format_of_its_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=10, each=3)
    answer(capsys, "data", "convert", photos, "--out", tmp_path / "s", "--to", "tar")
    made = answer(
        capsys, "data", "split", tmp_path / "s", "--out", tmp_path / "d",
        "--val-identities", "20%", "--test-identities", "3", "--seed", 4,
    )  # fmt: skip
    assert made["files"][0]["train"] == {"photos": 15, "identities": 5}
    assert made["files"][0]["test"] == {"photos": 9, "identities": 3}
    table = made["files"][0]["file"]
    assert table == str(tmp_path / "d" / "split.csv")
    for root in (tmp_path / "s", photos):
        manifest = read_manifest(table, root)
        assert len(manifest.split("val")) == 6
        row = manifest.names.index("person07/2.png")
        photo = manifest.photo(row)
        data = photo.read_bytes() if isinstance(photo, Path) else photo.read()
        assert data == (photos / "person07" / "2.png").read_bytes()


def test_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = make_photos(tmp_path / "photos", people=9, each=2)
    code, out, err = run(
        capsys, "data", "split", photos, "--out", tmp_path / "d", "--folds", 3, "--parquet"
    )
    assert code == 0
    assert "fold_3.parquet" in out
    assert f"--root {photos}" in err
    held = [
        read_manifest(tmp_path / "d" / f"fold_{k}.parquet", photos).split("val") for k in (1, 2, 3)
    ]
    assert sorted(n for fold in held for n in fold.names) == read_manifest(photos).names
    assert held[1].table["fold"].unique().to_pylist() == [2]


def test_wrong_use_and_failures(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "x", tmp_path / "file"
    file.touch()
    cases: list[tuple[list[object], int, str]] = [
        (["convert", photos, "--out", out, "--to", "tra"], 2, "did you mean 'tar'"),
        (["convert", tmp_path / "none", "--out", out, "--to", "tar"], 2, "no such folder"),
        (["convert", photos, "--out", photos, "--to", "tar"], 2, "lies in the source"),
        (["convert", photos, "--out", file, "--to", "tar"], 2, "is a file"),
        (["convert", photos, "--out", file / "x", "--to", "tar"], 1, "cannot write"),
        (["split", photos, "--out", out], 2, "2 must remain"),
        (["split", photos, "--out", out, "--val-identities", "x"], 2, "like 10%"),
        (["convert", photos, "--to", "tar"], 2, "--out: name the folder"),
        (["split", photos, "--out", out, "--folds", 2], 2, "each fold needs 2"),
        (
            ["split", photos, "--out", out, "--folds", 2, "--val-identities", 1],
            2,
            "takes the place",
        ),
        (
            ["split", photos, "--out", file / "x", "--val-identities", 0, "--test-identities", 0],
            1,
            "cannot write",
        ),
    ]
    for args, code, problem in cases:
        found, printed, err = run(capsys, "data", *args)
        assert (found, printed) == (code, ""), (args, err)
        assert problem in err, args
        assert len(err.strip().splitlines()) == 1, err
    assert run(capsys, "data", "convert", photos)[0] == 2
