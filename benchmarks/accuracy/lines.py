"""Results as lines of JSON: a cell that has a line is not measured again."""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy import stats


class Lines:
    """A file of finished cells, one line of JSON each; a run can be stopped and continued.

    Args:
        path: of the file; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self.found: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    def get(self, **keys: Any) -> list[dict[str, Any]]:
        """The lines with these values."""
        return [line for line in self.found if all(line.get(k) == v for k, v in keys.items())]

    def measure(self, work: Callable[[], dict[str, float]], **keys: Any) -> None:
        """Measure a cell unless it has a line, and add its line with the CPU seconds used."""
        if self.get(**keys):
            return
        before = cpu_seconds()
        line = {**keys, **work(), "cpu_s": round(cpu_seconds() - before, 1)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:  # one line: whole or not at all
            stream.write(json.dumps(line) + "\n")
        self.found.append(line)
        print(json.dumps(line), flush=True)


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """The mean and half of the 95 % interval over seeds (Student's t); – without values."""
    if not values:
        return "–"
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.{digits}f} ± {half:.{digits}f}"


def options(description: str | None, lines: Path) -> argparse.Namespace:
    """The command-line options of these programs."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few cells: a minute or two")
    parser.add_argument("--lines", type=Path, default=lines, help="file of the results")
    parser.add_argument("--only", default="", help="cells with these words in the name")
    return parser.parse_args()
