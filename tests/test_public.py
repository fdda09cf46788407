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
import pytest
from PIL import Image

import likewise
from likewise.inspection import inspect_photos, write_inspection
from tests import public_signatures
from tests.conftest import make_photos, quick_recipe

SURFACE = {
    "calibrate", "Callback", "cluster", "cluster_photos", "create_backbone", "create_loss",
    "edit_albums", "Embedder",
    "Embeddings", "evaluate", "Experiment", "Export", "export", "Face", "FaceFinder",
    "find_faces", "identification", "identify", "Index", "InputError", "LikewiseError",
    "list_backbones", "list_losses", "load", "load_recipe", "Manifest", "Pairs", "PKSampler",
    "Preprocess", "register_backbone",
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


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_every_public_name_has_an_example(name: str) -> None:
    value = getattr(likewise, name)
    members = public_signatures.members_of(value).values() if inspect.isclass(value) else ()
    texts = [inspect.getdoc(one) or "" for one in (value, *members)]
    assert any(">>> " in text for text in texts)  # the tests of the modules run it


def test_the_signatures_are_those_of_the_last_release() -> None:
    known = public_signatures.FILE.read_text(encoding="utf-8").splitlines()
    found = public_signatures.signatures().splitlines()
    assert [line for line in known if line not in found] == []  # changed, or gone
    assert found == known, "new names: python -m tests.public_signatures"


def paths_of(name: str) -> list[tuple[str, str]]:
    """The arguments of a public function, or of a class's methods, that are typed as paths."""
    value = getattr(likewise, name)
    functions = {name: value}
    if inspect.isclass(value):
        functions = {
            f"{name}.{key}": member
            for key, member in public_signatures.members_of(value).items()
            if inspect.isfunction(member) or inspect.ismethod(member)
        }
    return [
        (f"{function}: {one.name}", str(one.annotation))
        for function, member in functions.items()
        for one in inspect.signature(member).parameters.values()
        if "Path" in str(one.annotation)
    ]


def test_every_path_may_be_text() -> None:
    found = [pair for name in SURFACE for pair in paths_of(name)]
    assert len(found) > 25
    assert [where for where, kind in found if "str" not in kind] == []


def test_a_path_may_be_text(tmp_path: Path, photos: Path, model: Path) -> None:
    here = str(tmp_path)
    embeddings = likewise.Embeddings.of(np.eye(4), list("aabb"))
    file, recipe = f"{here}/e.parquet", tmp_path / "recipe.yaml"
    likewise.write_embeddings(embeddings, file)
    experiment = likewise.evaluate(likewise.read_embeddings(file))
    assert likewise.write_report(experiment, f"{here}/report", here).exists()
    recipe.write_text("schedule: {epochs: 3}")
    assert likewise.load_recipe(str(recipe)).schedule.epochs == 3
    manifest = likewise.read_manifest(str(photos))
    again = likewise.Manifest(manifest.table, str(photos))  # type: ignore[arg-type]  # the test
    assert again.photo(0) == manifest.photo(0)
    embedder = likewise.load(str(model))
    assert likewise.load(str(embedder.save(f"{here}/copy"))).fingerprint == embedder.fingerprint
    index = likewise.Index.build(np.eye(4))
    index.save(f"{here}/index")
    index.compact(f"{here}/index")
    assert len(likewise.Index.load(f"{here}/index")) == 4
    (tmp_path / "pairs.csv").write_text("left,right,same\na/0,a/1,1\na/0,b/1,0\n")
    assert len(likewise.read_pairs(f"{here}/pairs.csv")) == 2
    found = inspect_photos(manifest)
    assert write_inspection(found, f"{here}/inspection").exists()
    photo = str(next(photos.rglob("*.png")))
    assert likewise.identify(photo, str(photos), str(model), threshold=0.5)[0].problem == ""
    assert likewise.verify(photo, photo, str(model), threshold=0.5).same


def test_the_folders_of_a_run_may_be_text(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    recipe = quick_recipe("schedule.epochs=1")
    run = likewise.train(str(photos), f"{tmp_path}/run", recipe)
    exported = likewise.export(str(run.model), f"{tmp_path}/model.pt2", to="torch")
    assert exported.path.exists()


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
