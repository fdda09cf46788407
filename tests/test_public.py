"""The public API: its names are fixed and documented, and every example runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import likewise

SURFACE = {
    "calibrate", "cluster", "cluster_photos", "create_loss", "edit_albums", "Embedder",
    "Embeddings", "evaluate", "Experiment", "Export", "export", "Face", "FaceFinder",
    "find_faces", "identification", "identify", "Index", "InputError", "LikewiseError",
    "list_backbones", "list_losses", "load", "load_recipe", "Manifest", "Pairs", "Preprocess",
    "read_embeddings", "read_manifest", "read_pairs", "Recipe", "Recognizer", "register_loss",
    "retrieval", "train", "TrainingResult", "tune", "Verification", "verification", "verify",
    "watch", "write_embeddings", "write_report",
}  # fmt: skip
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(likewise.__path__, "likewise.")
    if "__main__" not in m.name
)


def test_the_public_names() -> None:
    assert set(likewise.__all__) == SURFACE
    assert set(dir(likewise)) == SURFACE | {"__version__"}


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(likewise, name))


def test_a_path_may_be_text(tmp_path: Path) -> None:
    names = [f"{person}/{photo}" for person in "abcde" for photo in "12"]
    items = pa.table({"path": names, "identity": [name[0] for name in names]})
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    file, recipe = f"{tmp_path}/e.parquet", tmp_path / "recipe.yaml"
    likewise.write_embeddings(likewise.Embeddings(vectors, items), file)
    experiment = likewise.evaluate(likewise.read_embeddings(file))
    assert likewise.write_report(experiment, f"{tmp_path}/report", str(tmp_path)).exists()
    recipe.write_text("schedule: {epochs: 3}")
    assert likewise.load_recipe(str(recipe)).schedule.epochs == 3


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        likewise.nothing  # noqa: B018  # looking it up is the test


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(
    name: str, photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # examples write files
    names = {
        "photos": photos,
        "model": model,
        "out": tmp_path / "run",
        "photo_a": photos / "anna" / "0.png",
        "photo_b": photos / "anna" / "1.png",
        "landscape": Image.linear_gradient("L").resize((320, 240)),
    }
    outcome = doctest.testmod(
        importlib.import_module(name),
        extraglobs=names,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert outcome.failed == 0


def test_the_version_is_that_of_the_package() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "likewise", "--version"], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == likewise.__version__
