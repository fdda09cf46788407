"""A command that fails before it writes a result leaves no empty folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from likewise.cli.app import main
from likewise.data.embeddings import Embeddings, write_embeddings
from likewise.errors import LikewiseError
from likewise.storage import output_folder, require_writable
from tests.conftest import make_photos


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    drawn = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    names = pa.table({"path": [f"{row}.png" for row in range(len(drawn))]})
    for name, part in (("e", drawn), ("other", drawn[:, :4])):
        write_embeddings(Embeddings(part, names), tmp_path / f"{name}.parquet")
    return tmp_path / "e.parquet"


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "nowhere", "--model", "MODEL"],
        ["evaluate", "PHOTOS", "--model", "nowhere"],
        ["evaluate", "--compare", "nowhere", "nowhere"],
        ["index", "build", "nowhere.npy"],
        ["index", "build", "nowhere.npy", "--recall", "0.9"],
        ["index", "tune", "VECTORS", "--queries", "nowhere.npy"],
        ["index", "tune", "VECTORS", "--queries", "OTHER"],
        ["index", "tune", "VECTORS", "--mates", "0.9"],
        ["embed", "nowhere", "--model", "MODEL"],
        ["train", "nowhere"],
        ["train", "ALONE"],
        ["train", "PHOTOS", "--set", "loss.name=cosfase"],
        ["train", "PHOTOS", "--set", "model.weights=nowhere"],
        ["data", "inspect", "nowhere"],
        ["data", "split", "nowhere"],
        ["data", "convert", "nowhere", "--to", "tar"],
        ["compare", "nowhere", "--losses", "softmax"],
        ["map", "nowhere.npy"],
        ["models", "import", "nowhere.pth"],
    ],
    ids=" ".join,
)
def test_no_empty_folder_is_left(
    command: list[str],
    model: Path,
    photos: Path,
    vectors: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alone = make_photos(tmp_path / "alone", ("anna",))
    places = {"MODEL": model, "PHOTOS": photos, "VECTORS": vectors, "ALONE": alone,
              "OTHER": vectors.with_name("other.parquet")}  # fmt: skip
    out = tmp_path / "deep" / "out"
    name = "embeddings.parquet" if command[0] == "embed" else "map.html"
    target = str(out / name if command[0] in ("embed", "map") else out)
    words = [str(places.get(word, word)) for word in command]
    options = ["--index", str(out / "i"), "--out"] if command[1] == "tune" else ["--out"]
    with pytest.raises(SystemExit) as ended:
        main([*words, *options, target])
    told = capsys.readouterr().err
    assert ended.value.code in (1, 2), told
    assert told.startswith("likewise: "), told
    assert not (tmp_path / "deep").exists()


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for place in ("file", "file/below", "link", "x" * 300):
        for check in (require_writable, output_folder):
            with pytest.raises(LikewiseError, match=f"cannot write {tmp_path / place}"):
                check(tmp_path / place)
    require_writable(tmp_path / "a" / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
    assert output_folder(tmp_path / "a" / "b").is_dir()
    require_writable(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())
