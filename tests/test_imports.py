"""The house rules that imports can break: data flows one way, and nothing heavy comes in early."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "likewise"

# A room imports only from those left of it.
ORDER = [
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
    "lab",
    "gallery",
    "service",
    "cli",
]
# What every room may use: errors and checks of arguments, files written atomically, progress,
# threads and devices, which process of a launcher this is, the interval of a counted rate, and
# gradients that refuse to be differentiated again.
FOUNDATION = {
    "arguments", "binomial", "errors", "storage", "terminal", "progress", "machine", "shares",
    "once_differentiable", "__init__",
}  # fmt: skip


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            names = [node.module or ""]
            if node.module == "likewise":
                names = [f"likewise.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {m[1] for name in names if (m := re.match(r"likewise\.(\w+)", name))}
    return rooms - {"__version__"}


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_a_room_imports_only_from_those_left_of_it(path: Path) -> None:
    room = room_of(path)
    if room in {"__init__", "__main__"}:  # the front door opens on every room, lazily
        return
    allowed = FOUNDATION if room in FOUNDATION else FOUNDATION | set(ORDER[: ORDER.index(room) + 1])
    assert imported_rooms(path) <= allowed


def test_no_grab_bag_modules() -> None:
    grab_bags = {"utils", "util", "helpers", "common", "misc", "base"}
    assert not [p for p in SOURCE.rglob("*") if p.stem in grab_bags]


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
