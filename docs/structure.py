"""``python -m docs.structure``: the structure of the code, from its files and imports.

Prints the files in each folder, the files past 300 lines, the circles of imports, and the lines of
``src/``. The tests hold the order of packages and of their folders that is written here.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MOST_FILES = 25  # in one folder; `cli` aside, which has one file a command
MOST_LINES = 300

LONG: dict[str, str] = {}
"""Files that pass it, each with the reason."""

PACKAGES = (
    "distances",
    "metriclearn",
    "data",
    "pages",
    "models",
    "faces",
    "mining",
    "losses",
    "search",
    "evaluation",
    "training",
    "inspection",
    "recognition",
    "lab",
    "gallery",
    "service",
    "cli",
)
"""A package imports only from those before it."""

FOLDERS: dict[str, tuple[str, ...]] = {
    "data": ("augmentation", "containers", "protocols", "writers", "formats"),
    "models": ("embedded", "onnx", "backbones", "graph", "zoo", "export"),
    "faces": ("alignment", "detectors", "landmarks", "quality", "aligned_set"),
    "evaluation": (
        "nearest", "verification", "intervals", "calibration", "identification", "retrieval",
        "report",
    ),
    "losses": ("classes", "head", "margins", "pairs", "wrappers"),
    "search": ("engines", "families", "contents", "storage", "tuning", "milvus"),
    "training": (
        "recipe", "distributed", "monitoring", "step", "checkpoints", "setup", "selection",
    ),
    "cli": ("data", "index"),
    "recognition": ("folder_gallery", "albums", "video"),
    "lab": ("figures", "map", "compare", "demo"),
}  # fmt: skip
"""Inside a package, a folder imports only from those before it."""

FOUNDATION = frozenset(
    path.stem for path in (SOURCE / "likewise").glob("*.py") if not path.stem.startswith("__")
)
"""Modules beside the packages: every package may use them, they use no package."""

Graph = Mapping[str, frozenset[str]]


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """Every module of the library by its dotted name."""
    return {_name(path): path for path in sorted((SOURCE / "likewise").rglob("*.py"))}


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> frozenset[str]:
    """The modules of the library that a file imports: anywhere in it, for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}: write absolute imports")
            module = node.module or ""
            found |= {
                whole if (whole := f"{module}.{alias.name}") in modules() else module
                for alias in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found & modules().keys()) - {_name(path)}


@lru_cache(maxsize=1)
def imports() -> Graph:
    """What each module imports. ``likewise/__init__`` is left out: it names all, lazily."""
    return {
        name: imported(path) - {"likewise"}
        for name, path in modules().items()
        if name not in ("likewise", "likewise.__main__")
    }


def folder_of(module: str) -> str:
    """The folder inside its package that a module lies in; the module itself at the top of one."""
    parts = module.split(".")
    whole = ".".join(parts[:3])
    return whole if len(parts) > 2 and modules()[whole].name == "__init__.py" else module


def folders() -> Graph:
    """The imports between folders inside packages."""
    found: dict[str, set[str]] = {}
    for module, named in imports().items():
        own = folder_of(module)
        found.setdefault(own, set()).update({folder_of(name) for name in named} - {own})
    return {name: frozenset(named) for name, named in found.items()}


def circles(graph: Graph) -> list[list[str]]:
    """Modules that import each other, directly or through others (Tarjan's components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph.get(name, ()):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def files_per_folder() -> dict[str, int]:
    """How many Python files lie in each folder of the repository."""
    found: dict[str, int] = {}
    for top in ("src", "tests", "benchmarks", "docs"):
        for path in (ROOT / top).rglob("*.py"):
            folder = str(path.parent.relative_to(ROOT))
            found[folder] = found.get(folder, 0) + 1
    return dict(sorted(found.items()))


def long_files() -> dict[str, int]:
    """Files of the library past 300 lines."""
    counts = {str(path.relative_to(ROOT)): _lines(path) for path in modules().values()}
    return {name: count for name, count in counts.items() if count > MOST_LINES}


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def lines_at(revision: str) -> int:
    """The lines of ``src/`` at a commit of this repository."""
    out = subprocess.run(
        ["git", "grep", "-c", "", revision, "--", "src/*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return sum(int(line.rpartition(":")[2]) for line in out.splitlines())


def report(since: str | None) -> Iterator[str]:
    """The lines that the command prints."""
    yield "Python files per folder:"
    for folder, count in files_per_folder().items():
        yield f"  {count:3} {folder}"
    yield f"Files of src/ past {MOST_LINES} lines:"
    for name, count in long_files().items():
        yield f"  {count:3} {name}: {LONG.get(name, 'no reason is given')}"
    for kind, graph in (("files", imports()), ("folders", folders())):
        found = circles(graph)
        yield f"Circles of {kind}: {len(found)}"
        yield from (f"  {' '.join(names)}" for names in found)
    if since is not None:
        yield f"Lines of src/ at {since}: {lines_at(since):,}"
    yield f"Lines of src/: {sum(map(_lines, modules().values())):,}"


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m docs.structure")
    parser.add_argument("--since", metavar="COMMIT", help="count the lines of this commit too")
    print("\n".join(report(parser.parse_args().since)))


if __name__ == "__main__":
    main()
