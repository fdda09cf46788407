"""A family from outside of the package, in one class, used by name everywhere."""

# ruff: noqa: ARG002, ARG003  # an interface has arguments that this family does not need

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from likewise.cli import main
from likewise.errors import InputError
from likewise.search.engines.engine import Engine, Mask, Rows, Vectors
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.families import FAMILIES, _registered, available, register_family
from likewise.search.families.exact import Exact
from likewise.search.index import Index
from likewise.search.interface import open_index
from likewise.search.tuning.target import Limits
from likewise.search.tuning.tune import tune

SOURCE = Path(__file__).parents[3] / "src" / "likewise"
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(3000, 16)).astype(np.float32)


class Projected(Engine):
    """Compares the first ``kept`` coordinates only."""

    name = "projected"
    metrics = ("cosine", "dot")
    build_parameters = (Parameter("kept", 12, "coordinates that are compared", 1, 4096),)
    search_parameters = (Parameter("rerank", 4, "candidates for each neighbor", 1, 1000),)

    def __init__(self, part: Vectors) -> None:
        self.part = part

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        return cls(np.ascontiguousarray(vectors[:, : int(settings["kept"])]))

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        scores = queries[:, : self.part.shape[1]] @ self.part.T
        return np.argsort(-scores, axis=1)[:, : k * int(settings["rerank"])].astype(np.int64)

    def save(self, folder: Path) -> None:
        np.save(folder / "part.npy", self.part)

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        return cls(np.load(folder / "part.npy", allow_pickle=False))

    @property
    def memory_bytes(self) -> int:
        return self.part.nbytes

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        return [{"kept": dimension // 2}, {"kept": dimension - 2}]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        return [{"rerank": rerank} for rerank in (1, 4, 16, 64)]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    assert register_family(Projected) is Projected
    yield
    _registered.pop("projected", None)


def test_it_is_built_searched_saved_and_loaded(tmp_path: Path) -> None:
    assert "projected" in FAMILIES
    assert "projected" in available()
    index = Index.build(VECTORS, family="projected", settings={"kept": 14})
    assert index.engine.name == "projected"
    _, found = index.search(VECTORS[:20], 5)
    assert found[:, 0].tolist() == list(range(20))
    index.save(tmp_path / "index")
    loaded = open_index(tmp_path / "index")
    assert (loaded.family, loaded.settings) == ("projected", {"kept": 14})
    np.testing.assert_array_equal(loaded.search(VECTORS[:20], 5)[1], found)


def test_it_is_tuned() -> None:
    limits = Limits(memory=VECTORS.nbytes * 9 // 10 + 24 * len(VECTORS))
    tuning = tune(VECTORS, recall=0.8, families=["projected"], limits=limits, count=200)
    assert tuning.pick.family == "projected"
    assert tuning.build().family == "projected"
    assert "projected" not in tune(VECTORS[:100], recall=0.8).not_tried


def test_the_command_line_knows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, names = tmp_path / "vectors.npy", tmp_path / "names.txt"
    np.save(data, VECTORS)
    names.write_text("\n".join(f"{n}.jpg" for n in range(len(VECTORS))))

    def exit_code(*words: str) -> object:
        build = ["index", "build", str(data), "--ids", str(names), "--out", str(tmp_path / "index")]
        with pytest.raises(SystemExit) as ended:
            main([*build, *words])
        return ended.value.code or 0

    assert exit_code("--family", "projected", "--set", "kept=10") == 0
    assert open_index(tmp_path / "index").settings == {"kept": 10}
    assert exit_code("--family", "projectd") == 2
    err = capsys.readouterr().err
    assert "did you mean 'projected'?" in err
    assert re.search(r"choose from: .*\bprojected\b", err)


def test_a_saved_index_of_an_unregistered_family_is_refused(tmp_path: Path) -> None:
    Index.build(VECTORS[:50], family="projected").save(tmp_path / "index")
    del _registered["projected"]
    with pytest.raises(InputError, match="unknown family 'projected'; if it is yours, import"):
        Index.load(tmp_path / "index")


def test_a_name_is_given_once() -> None:
    register_family(Projected)  # again: a module that is reloaded
    for name in ("projected", "exact"):
        taken = type("Taken", (Exact,), {"name": name})
        with pytest.raises(InputError, match=f"family {name}: .* has this name"):
            register_family(taken)
    with pytest.raises(InputError, match=r"metrics: \(\); must be a tuple"):
        register_family(type("Empty", (Exact,), {"name": "empty", "metrics": ()}))
    with pytest.raises(InputError, match="metrics: 'dot'; must be a tuple"):
        register_family(type("Word", (Exact,), {"name": "word", "metrics": "dot"}))
    with pytest.raises(InputError, match="Nameless: name: must be a text"):
        register_family(type("Nameless", (Engine,), {"metrics": ("dot",)}))
    with pytest.raises(InputError, match="Other: must be a subclass of .*Engine"):
        register_family(type("Other", (), {"name": "other", "metrics": ("dot",)}))


def test_the_package_names_no_family_outside_of_its_module() -> None:
    """Each built-in family but ``exact``, which others fall back to, is one file."""
    for name in set(FAMILIES) - {"exact", "projected"}:
        module = re.compile(rf"families\.{name}\b|families import .*\b{name}\b")
        users = [p.name for p in SOURCE.rglob("*.py") if module.search(p.read_text())]
        assert users == [], name
