"""What imports can break: data flows one way, no circles, and nothing heavy is loaded early."""

from __future__ import annotations

import subprocess
import sys

import pytest

from docs import structure


def places(module: str) -> tuple[str, str]:
    """The package of a module, and the folder in it (nothing at its top)."""
    package = module.split(".")[1]
    folder = structure.folder_of(module)
    return package, "" if folder == module else folder.split(".")[2]


@pytest.mark.parametrize("module", sorted(structure.imports()))
def test_imports_go_one_way(module: str) -> None:
    package, folder = places(module)
    allowed = set(structure.FOUNDATION)
    if package not in structure.FOUNDATION:
        allowed |= set(structure.PACKAGES[: structure.PACKAGES.index(package) + 1])
    named = {other for other in structure.imports()[module] if other.count(".")}
    assert {other.split(".")[1] for other in named} <= allowed
    inside = structure.FOLDERS.get(package, ())
    if folder in inside:
        own = {places(other)[1] for other in named if places(other)[0] == package}
        assert own - {""} <= set(inside[: inside.index(folder) + 1])


def test_every_folder_has_its_place_in_the_order() -> None:
    found: dict[str, set[str]] = {}
    for module in structure.modules():
        if module.count(".") > 1 and (folder := places(module)[1]):
            found.setdefault(module.split(".")[1], set()).add(folder)
    assert found == {name: set(inside) for name, inside in structure.FOLDERS.items()}


def test_no_circle_of_files_nor_of_folders() -> None:
    assert structure.circles(structure.imports()) == []
    assert structure.circles(structure.folders()) == []


def test_circles_are_found_where_there_are_some() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f"}, "f": {"e", "a"}}
    frozen = {name: frozenset(named) for name, named in graph.items()}
    assert sorted(structure.circles(frozen)) == [["b", "c"], ["e", "f"]]


def test_folders_and_files_stay_small() -> None:
    counts = structure.files_per_folder()
    assert not {
        folder: count
        for folder, count in counts.items()
        if count > structure.MOST_FILES and folder != "src/likewise/cli"
    }
    assert structure.long_files().keys() <= structure.LONG.keys()


def test_no_grab_bag_modules() -> None:
    grab_bags = {"utils", "util", "helpers", "common", "misc", "base"}
    assert not {part for name in structure.modules() for part in name.split(".")} & grab_bags


@pytest.mark.parametrize(
    "code", ["import likewise", "import likewise.cli; likewise.cli.main(['--help'])"]
)
def test_torch_is_loaded_only_when_used(code: str) -> None:
    script = (
        "import sys\ntry:\n    " + code + "\nexcept SystemExit: pass\n"
        "print('LOADED', sorted(m for m in sys.modules if m.split('.')[0] in "
        "{'torch', 'torchvision', 'faiss', 'sklearn', 'pyarrow', 'matplotlib'}))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "LOADED []"
