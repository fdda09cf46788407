"""Class weights at scale: time and memory with a sample of a tenth of the classes.

python -m benchmarks.classes.scale [--quick] [--json FILE]

Step times are ratios of whole steps of the class weights (see ``sides``): sampled over full;
and the speed relative to the bare formula, and to Partial FC with dense gradients, at the same
sample rate. ``sampled_gradient`` and ``sampled_workspace`` are the memory of one sampled step
beyond weights and moments, in units of the weights W (D = 512); ``peak_…`` is the peak memory,
including weights and momentum. ``mmap_…_anon_gib`` is the anonymous memory of a process that trains
memory-mapped weights (``benchmarks.classes.mapped`` prints the rest). The paper simulation of
29 M identities is ``python -m benchmarks.classes.simulation``.
"""

from __future__ import annotations

import json
from statistics import median
from typing import get_args

from benchmarks.classes.sides import Side, side
from benchmarks.measure import Result, arguments, fresh, interleaved, report, row

SIZES = {"10k": (10_000, 512), "100k": (100_000, 512), "1m": (1_000_000, 128)}


def times(classes: int, dimension: int, rounds: int, names: tuple[Side, ...]) -> dict[str, float]:
    """The median over rounds of the time of each side, relative to the first side."""
    first, *others = interleaved([side(name, classes, dimension) for name in names], rounds)
    return {
        name: median(b / a for a, b in zip(first, other, strict=True))
        for name, other in zip(names[1:], others, strict=True)
    }


def measured(call: str) -> str:
    """The result of a function of this benchmark in a fresh process, as JSON."""
    code = "import json\nfrom benchmarks.classes import mapped, scale, sides\n"
    return fresh(f"{code}print(json.dumps({call}))").splitlines()[-1]


def steps(size: str, rounds: int, dimension: int | None = None) -> list[Result]:
    classes, usual = SIZES[size]

    def ratio(*names: Side) -> float:
        call = f"scale.times({classes}, {dimension or usual}, {rounds}, {names})"
        return float(json.loads(measured(call))[names[1]])

    sampled = ratio("full", "sampled")
    bar = ("<= 0.2", sampled <= 0.2) if size == "1m" else ()
    found = [
        row(f"training.sampled_step_{size}", sampled, "x", *bar),
        row(f"training.sampled_vs_partial_fc_{size}", ratio("sampled", "partial_fc"), "x"),
    ]
    if dimension is None:
        found.append(row(f"training.full_vs_bare_{size}", ratio("full", "bare"), "x"))
    return found


def memory_1m() -> list[Result]:
    """Gradient, workspace and row-wise moments of a sampled step, in units of W."""
    found = json.loads(measured("sides.measured_bytes(1_000_000, 512, 'row')"))
    together = found["gradient"] + found["workspace"]
    return [
        # A tenth of the rows, and their indices: 8 bytes per row of 2,048 bytes.
        row(
            "training.sampled_gradient_1m",
            found["gradient"],
            "W",
            "<= 0.101",
            found["gradient"] <= 0.101,
        ),
        row(
            "training.sampled_workspace_1m",
            found["workspace"],
            "W",
            "<= 0.1",
            found["workspace"] <= 0.1,
        ),
        row("training.sampled_together_1m", together, "W"),
        row("training.row_moments_1m", found["moments"], "W", "<= 0.1", found["moments"] <= 0.1),
    ]


def peaks(size: str) -> list[Result]:
    classes, dimension = SIZES[size]
    return [
        row(
            f"training.peak_{name}_{size}",
            float(measured(f"sides.peak_of({name!r}, {classes}, {dimension})")),
            "W",
        )
        for name in get_args(Side)
    ]


def mapped(name: str, classes: int) -> Result:
    """Anonymous memory of twenty steps with memory-mapped weights, 128 numbers a class."""
    call = f"mapped.in_temporary_folder({classes}, 128, 20, 0.01)"
    value = json.loads(measured(call))["anonymous_gib"]
    return row(f"training.mmap_{name}_anon_gib", value, "GiB", "<= 2", value <= 2)


def results(*, quick: bool) -> list[Result]:
    if quick:
        return [*steps("1m", 1, 64), *memory_1m(), mapped("1m", 1_000_000)]
    found: list[Result] = []
    for size in SIZES:
        found += steps(size, 5 if size == "1m" else 15) + peaks(size)
    return found + memory_1m() + [mapped("10m", 10_000_000)]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
