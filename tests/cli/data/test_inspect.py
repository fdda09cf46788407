"""``likewise data inspect`` and ``data clean``, and the page that documents them."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from likewise.data.formats import read_manifest
from tests.cli.test_commands import answer, run
from tests.inspection.planted import make_pictures, people, photos_of, picture

PAGE = Path(__file__).parents[3] / "docs" / "data" / "inspect.md"

FROM = "--inspection"


def stored(folder: Path, to: Path, seed: int = 4) -> tuple[Path, Path]:
    """Embeddings of a folder of synthetic people, as .npy and names."""
    manifest = read_manifest(folder)
    vectors = photos_of(people(60, seed)[manifest.labels], seed)
    np.save(to.with_suffix(".npy"), vectors)
    to.with_suffix(".txt").write_text("\n".join(manifest.names) + "\n")
    return to.with_suffix(".npy"), to.with_suffix(".txt")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """24 people, one photo twice and one broken."""
    folder = make_pictures(tmp_path / "photos", [f"person{n:02d}" for n in range(24)])
    picture(9).save(folder / "person02" / "again.png", compress_level=0)
    (folder / "person03" / "broken.jpg").write_text("no photo")
    return folder


def test_inspect_then_clean(many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors, names = stored(many, tmp_path / "e")
    out = tmp_path / "report"
    values = answer(capsys, "data", "inspect", many, "--embeddings", vectors, "--ids", names,
                    "--out", out)  # fmt: skip
    assert values == json.loads((out / "inspect.json").read_text())
    assert (out / "inspect.html").exists()
    assert values["labels"]["noise"]["rate"] < 0.05
    cleaned = answer(capsys, "data", "clean", many, FROM, out, "--out", tmp_path / "c.csv")
    assert cleaned["kept"] == values["photos"] - 2
    with Path(cleaned["changes"]).open(newline="") as stream:
        assert {row["path"] for row in csv.DictReader(stream)} == {
            "person02/again.png", "person03/broken.jpg",
        }  # fmt: skip
    assert len(read_manifest(tmp_path / "c.csv", root=many)) == cleaned["kept"]


def test_the_printed_table_and_summary(
    many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "data", "inspect", many)
    assert code == 0
    assert re.search(r"exact duplicates\W+1\b", out)
    assert "Duplicates within an identity: 1; across" in out
    assert "broken.jpg: not an image" in err
    assert "labels were not checked" in err
    code, out, _ = run(capsys, "data", "inspect", many, "--headers-only", "--out", tmp_path / "r")
    assert code == 0
    code, out, err = run(capsys, "data", "clean", many, FROM, tmp_path / "r", "--out",
                         tmp_path / "c.csv")  # fmt: skip
    assert (code, "drop: broken" in out, "--root" in err) == (0, True, True)


def test_wrong_use_is_one_line_and_code_2(
    many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_pictures(tmp_path / "few", ("anna", "bob"))
    vectors, names = stored(photos, tmp_path / "other")
    (tmp_path / "empty").mkdir()
    run(capsys, "data", "inspect", many, "--out", tmp_path / "r")
    out = ["--out", tmp_path / "c.csv"]
    cases: list[tuple[list[object], str]] = [
        (["inspect", tmp_path / "none"], "no such folder"),
        (["inspect", tmp_path / "empty"], "no photos"),
        (["inspect", many, "--embeddings", vectors, "--ids", names], "embeddings: none for"),
        (["inspect", many, "--embeddings", vectors], "needs its names"),
        (["inspect", many, "--ids", names], "--ids: needs --embeddings"),
        (["inspect", many, "--against-embeddings", vectors], "needs --against"),
        (["inspect", many, "--against", photos, "--against-embeddings", vectors], "needs --embed"),
        (["inspect", many, "--against", photos, "--embeddings", vectors, "--ids", names],
         "give --against-embeddings"),
        (["inspect", many, "--false-alarms", 2], "above 0 and below 0.5"),
        (["inspect", many, "--model", tmp_path / "none"], "not found"),
        (["clean", many, FROM, tmp_path / "none", *out], "no such file"),
        (["clean", photos, FROM, tmp_path / "r", *out], "inspection of another set"),
        (["clean", many, FROM, tmp_path / "r", "--drop", "doubles", *out], "unknown value"),
        (["clean", many, FROM, tmp_path / "r", "--merge", *out], "inspect again with --model"),
        (["clean", many, FROM, tmp_path / "r", "--out", tmp_path / "c.txt"], "written as .csv"),
    ]  # fmt: skip
    for args, problem in cases:
        code, printed, err = run(capsys, "data", *args)
        assert (code, printed) == (2, ""), (args, err)
        assert problem in err, (args, err)
        assert len(err.strip().splitlines()) == 1, err
    blocked = tmp_path / "file"
    blocked.touch()
    code, _, err = run(capsys, "data", "inspect", many, "--out", blocked / "r")
    assert (code, "cannot write" in err) == (1, True)


def test_the_commands_of_the_page_run(
    many: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_pictures(tmp_path / "test_photos", ("guest", "stranger"), each=2, seed=500)
    vectors, names = stored(many, tmp_path / "photos_e")
    vectors.rename(tmp_path / "photos.npy")
    names.rename(tmp_path / "photos.txt")
    vectors, names = stored(tmp_path / "test_photos", tmp_path / "test_e")
    vectors.rename(tmp_path / "test.npy")
    names.rename(tmp_path / "test.txt")
    (tmp_path / "model").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    commands = [
        shlex.split(line)
        for block in blocks
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("likewise ")
    ]
    assert len(commands) >= 5
    for command in commands:
        code, _, err = run(capsys, *command[1:])
        assert code == 0, (command, err)


def test_the_code_of_the_page_runs(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, names = stored(many, tmp_path / "photos_e")
    vectors.rename(tmp_path / "photos.npy")
    names.rename(tmp_path / "photos.txt")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "page", "exec"), {})
