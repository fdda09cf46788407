"""Results that are measured over hours: one line of JSON for each finished measurement.

A measurement is a *cell*: a few keys that say what is measured, such as the set, the method, the
budget and the seed. A cell that has a line is not measured again, so a run can be stopped at any
moment and continued by the same command, and two shells can share the work.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.locks import hold_lock
from likewise.machine import cpu_type, usable_cores, versions
from likewise.storage import write_text

Value = str | int | float
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What is measured.

    Args:
        keys: names and values, in the order in which they are shown.
    """

    keys: Mapping[str, Value]

    @property
    def name(self) -> str:
        """The values with slashes between them, as ``--cells`` matches them."""
        return "/".join(str(value) for value in self.keys.values())

    @property
    def identity(self) -> str:
        """The same for the same keys and values, whatever their order."""
        return json.dumps(dict(self.keys), sort_keys=True)

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and other.identity == self.identity


@dataclass(frozen=True)
class Line:
    """A finished measurement.

    Args:
        cell: what was measured.
        numbers: the results.
        cpu: the name of the processor.
        hours: how long it took.
        date: when it ended.
        version: of Likewise, with the commit if there is one.
    """

    cell: Cell
    numbers: Numbers
    cpu: str
    hours: float
    date: str
    version: str


class Store:
    """A file of finished measurements.

    Args:
        path: of the file; it is made with the first result.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locks = path.with_name(f".{path.name}.locks")

    def lines(self) -> dict[Cell, Line]:
        """All finished measurements, by cell.

        Raises:
            InputError: a line is damaged; names it.
        """
        found: dict[Cell, Line] = {}
        if not self.path.exists():
            return found
        for number, text in enumerate(self.path.read_text("utf-8").splitlines(), start=1):
            try:
                values = json.loads(text)
                line = Line(Cell(values.pop("cell")), **values)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InputError(
                    f"{self.path}: line {number}: not a result; delete the line to measure it again"
                ) from None
            found[line.cell] = line
        return found

    def append(self, cell: Cell, numbers: Numbers, hours: float) -> Line:
        """Add a result; after a crash at any moment the file is whole, with it or without it."""
        line = Line(
            cell, numbers, cpu_type(), round(hours, 5),
            datetime.now(UTC).isoformat(timespec="seconds"), version(),
        )  # fmt: skip
        values = {**line.__dict__, "cell": dict(cell.keys)}
        with hold_lock(self._locks / "file", "", wait=None):
            before = self.path.read_text("utf-8") if self.path.exists() else ""
            write_text(self.path, before + json.dumps(values, ensure_ascii=False) + "\n")
        return line

    @contextmanager
    def claim(self, cell: Cell) -> Iterator[bool]:
        """Whether this process may measure the cell: no other one does, and it is not done yet."""
        file = self._locks / hashlib.sha256(cell.identity.encode()).hexdigest()[:16]
        try:
            held = hold_lock(file, "busy")
            held.__enter__()
        except InputError:
            yield False
            return
        try:
            yield cell not in self.lines()
        finally:
            held.__exit__(None, None, None)

    @contextmanager
    def core(self) -> Iterator[int]:
        """A core that no other shell with this store works on.

        Raises:
            InputError: all cores are taken.
        """
        for number in range(usable_cores()):
            held = hold_lock(self._locks / f"core-{number}", "busy")
            try:
                held.__enter__()
            except InputError:
                continue
            try:
                yield number
            finally:
                held.__exit__(None, None, None)
            return
        raise InputError(
            f"{self.path}: {usable_cores()} shells measure already, one a core; wait for one"
        )


def matching(cells: Iterable[Cell], patterns: str | None) -> list[Cell]:
    """The cells whose names match one of some patterns with commas between them, or all."""
    if patterns is None:
        return list(cells)
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    return [cell for cell in cells if any(fnmatch(cell.name, pattern) for pattern in wanted)]


def version() -> str:
    """The version of Likewise, and the commit of the working tree."""
    found = versions(["likewise"]).get("likewise", "unknown")
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return found
    return f"{found} ({commit})"


def select(lines: Iterable[Line], where: Callable[[Mapping[str, Value]], bool]) -> list[Line]:
    """The lines whose keys satisfy a condition."""
    return [line for line in lines if where(line.cell.keys)]
