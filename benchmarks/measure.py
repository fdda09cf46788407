"""Shared by all benchmarks: interleaved timing, memory in a fresh process, and the JSON format."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from likewise.machine import describe

PACKAGES = ("torch", "numpy", "pytorch-metric-learning")


class Result(TypedDict):
    name: str
    value: float
    unit: str
    bar: str
    holds: bool


def interleaved(fns: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Seconds of each function in each round, after one warm-up round: [function][round].

    The functions alternate within a round, so other load on the machine affects them equally.
    """
    seconds: list[list[float]] = [[] for _ in fns]
    for number in range(rounds + 1):
        for fn, found in zip(fns, seconds, strict=True):
            start = time.perf_counter()
            fn()
            if number:
                found.append(time.perf_counter() - start)
    return seconds


def fresh(code: str, environment: Mapping[str, str] | None = None) -> str:
    """The standard output of ``code`` in a fresh Python process."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],  # where ``benchmarks`` is found
        env=os.environ | dict(environment or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return run.stdout


def resident_bytes(*, peak: bool = False) -> int:
    """Resident memory of this process, current or peak (Linux)."""
    # Not ru_maxrss: a child process inherits the value of its parent.
    key = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def peak_gib(code: str) -> float:
    """The peak resident memory, in GiB, of ``code`` in a fresh Python process."""
    tail = "\nfrom benchmarks.measure import resident_bytes\nprint(resident_bytes(peak=True))"
    return int(fresh(code + tail).split()[-1]) / 2**30


def arguments(description: str | None) -> argparse.Namespace:
    """The command-line options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: within a minute")
    parser.add_argument("--json", metavar="FILE", help="write the results to FILE")
    return parser.parse_args()


def row(name: str, value: float, unit: str, bar: str = "–", holds: bool = True) -> Result:
    """One result; without a bar it is only informative."""
    # Plain numbers, since JSON knows none of NumPy.
    return {"name": name, "value": float(value), "unit": unit, "bar": bar, "holds": bool(holds)}


def report(results: Sequence[Result], json_path: str | None) -> None:
    """Print one line per result, and write all results as JSON if a path is given."""
    for result in results:
        verdict = "holds" if result["holds"] else "FALLS SHORT"
        bar = f"bar {result['bar']:8} {verdict}" if result["bar"] != "–" else ""
        print(f"{result['name']:40} {result['value']:10.3g} {result['unit']:6} {bar}".rstrip())
    if json_path:
        versions = {"python": platform.python_version()} | {p: version(p) for p in PACKAGES}
        content = {"machine": describe(), "versions": versions, "results": list(results)}
        Path(json_path).write_text(json.dumps(content, indent=2) + "\n")
