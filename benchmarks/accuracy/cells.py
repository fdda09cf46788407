"""Measure cells one after another, each in a fresh process on one core.

A fresh process, so that the CPU seconds of a training are those of nothing else. One core and one
thread, so that seconds of two methods can be compared and the numbers do not depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.accuracy.clock import budgets_in_cpu_seconds
from benchmarks.accuracy.store import Cell, Line, Numbers, Store, matching
from likewise.errors import InputError, LikewiseError

ROOT = Path(__file__).parents[2]  # where ``benchmarks`` is found


def options(description: str | None, name: str) -> argparse.ArgumentParser:
    """The command-line options of every program here."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--store", metavar="FILE", type=Path, default=None,
        help=f"the results; runs/accuracy/{name}.jsonl by default",
    )  # fmt: skip
    parser.add_argument(
        "--cells", metavar="PATTERN", help="only these cells, such as 'orl/*/60/*,lfw-few/plain/*'"
    )
    parser.add_argument(
        "--list", action="store_true", help="list the cells and whether each is done"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds a cell: does it run?")
    parser.add_argument(
        "--markdown", action="store_true", help="measure nothing; print the tables of the results"
    )
    return parser


def stage_options(
    description: str | None,
    name: str,
    tests: Sequence[str],
    candidates: Iterable[str],
    budget: float,
) -> argparse.ArgumentParser:
    """The options of a program that first chooses among candidates, then tests the chosen one."""
    parser = options(description, name)
    parser.add_argument("--stage", choices=("choose", *tests, "all"), default="all")
    parser.add_argument("--candidate", choices=candidates, help="test this one, whatever is chosen")
    parser.add_argument("--budget", type=float, default=budget, help="CPU seconds of a training")
    return parser


def run_program(
    description: str | None,
    name: str,
    module: str,
    all_cells: Callable[..., Sequence[Cell]],
    markdown: Callable[[Iterable[Line]], str],
) -> int:
    """Measure all cells of a program without a choice, and print its tables.

    Args:
        description: the docstring of the program.
        name: of the store.
        module: whose ``measure`` is called.
        all_cells: the cells, by ``quick``.
        markdown: the tables of all results.

    Returns:
        The program's exit status.
    """
    given = options(description, name).parse_args()
    store = store_of(given, name)
    well = measure(store, all_cells(quick=given.quick), module, given)
    if not given.list:
        print(markdown(store.lines().values()))
    return int(not well)


def run_stages(
    name: str,
    module: str,
    given: argparse.Namespace,
    choice: Sequence[Cell],
    tests: Callable[[list[Line]], Sequence[Cell]],
    markdown: Callable[[Iterable[Line]], str],
) -> int:
    """Measure the candidates, then the chosen one in the test, and print the tables.

    Args:
        name: of the store.
        module: whose ``measure`` is called.
        given: from ``stage_options``.
        choice: the cells of the candidates.
        tests: the cells of the test, by what is measured; an InputError if nothing is chosen yet.
        markdown: the tables of all results.

    Returns:
        The program's exit status.
    """
    store, well = store_of(given, name), True
    if given.stage in ("choose", "all"):
        well &= measure(store, choice, module, given)
    if given.stage != "choose" and not given.markdown:
        try:
            wanted = tests(list(store.lines().values()))
        except InputError as error:
            print(error, file=sys.stderr)
            return int(not given.list)
        well &= measure(store, wanted, module, given)
    if not given.list:
        print(markdown(store.lines().values()))
    return int(not well)


def store_of(given: argparse.Namespace, name: str) -> Store:
    """The store of a program; that of quick runs is another file."""
    ending = "-quick" if given.quick else ""
    return Store(given.store or Path("runs/accuracy") / f"{name}{ending}.jsonl")


def measure(store: Store, cells: Sequence[Cell], module: str, given: argparse.Namespace) -> bool:
    """Measure the cells that are not done, by ``measure(**keys)`` of a module.

    A cell that fails is named and left out; the same command tries it again.

    Returns:
        Whether no cell failed.
    """
    chosen = matching(cells, given.cells)
    if given.list:
        done = store.lines()
        for cell in chosen:
            print(f"{'done' if cell in done else 'open':5} {cell.name}")
        return True
    failed = 0
    if given.markdown:
        return True
    with store.core() as core:
        for number, cell in enumerate(chosen, start=1):
            with store.claim(cell) as mine:
                if not mine:
                    continue
                begun = time.monotonic()
                numbers = in_fresh_process(module, cell, core)
                hours = (time.monotonic() - begun) / 3600
                if numbers is None:
                    failed += 1
                    said = "FAILED"
                else:
                    said = summary(store.append(cell, numbers, hours))
                print(f"{number}/{len(chosen)} {cell.name}: {said}", file=sys.stderr, flush=True)
    return not failed


def summary(line: Line) -> str:
    """The first numbers of a result, in one line."""
    shown = [f"{k} {v:.4g}" for k, v in line.numbers.items() if isinstance(v, float)]
    return ", ".join([*shown[:4], f"{3600 * line.hours:.0f} s"])


def in_fresh_process(module: str, cell: Cell, core: int | None = None) -> Numbers | None:
    """What ``measure(**keys)`` of the module returns; None if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks.accuracy.cells", module, str(answer)]
        command += [json.dumps(dict(cell.keys)), "" if core is None else str(core)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if run.returncode or not answer.exists():
            return None
        found: Numbers = json.loads(answer.read_text("utf-8"))
        return found


def main(module: str, answer: str, keys: str, core: str) -> None:
    """What the fresh process does."""
    if core and hasattr(os, "sched_setaffinity"):
        # Before torch is imported: it counts the cores then.
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {usable[int(core) % len(usable)]})
    import torch

    torch.set_num_threads(1)
    budgets_in_cpu_seconds()
    try:
        numbers = import_module(module).measure(**json.loads(keys))
    except LikewiseError as error:
        print(f"{module}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    Path(answer).write_text(json.dumps(numbers, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
