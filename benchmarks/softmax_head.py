"""Speed and memory of the fused softmax head, against a peer and against bare matrix products.

python -m benchmarks.softmax_head [--quick] [--json FILE]

ArcFace, forward and backward, B = 128, D = 512, float32. Rows, at C classes:

- ``losses.head_vs_pml_C``, ``_vs_naive_C``: how many times faster than pytorch-metric-learning's
  ArcFaceLoss, and than the formula as it is written in torch (``softmax_sides.Naive``);
- ``losses.head_vs_gemm_C``: time over that of the three matrix products that every exact head
  needs: cosines, gradient of the embeddings, gradient of the weights;
- ``losses.head_weighted_C``, ``head_smoothed_C``, ``head_rows_C``: time with weights of samples,
  with smoothed labels, and with the loss of each row (one more matrix product), over the time
  without;
- ``losses.head_copies_C``, and so for ``head_weighted``, ``head_rows``, ``pml`` and ``naive``: peak
  memory beyond W, its gradient and one chunk of logits, in units of W;
- ``losses.head_gib_1m``: resident memory of a whole step with SGD and momentum at a million.

By default glibc returns large blocks to the system when they are freed, so each step pays for new
pages, and more copies cost more. Rows that end in ``_retained`` are measured again with pages kept
between steps (``MALLOC_MMAP_MAX_=0``, a very large ``MALLOC_TRIM_THRESHOLD_``), so that only
arithmetic and memory traffic remain. Every setting runs in a separate process.
``--quick`` measures only the rows with a bar.

On a CUDA device the same rows are also measured with ``_cuda_float32`` and ``_cuda_bfloat16``, and
``head_vs_compiled``: against ``torch.compile`` of the naive formula.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median

import torch

from benchmarks.measure import Result, arguments, fresh, interleaved, peak_gib, report, row
from benchmarks.softmax_sides import Side, side

CLASSES = {"1k": 1000, "10k": 10_000, "100k": 100_000, "1m": 1_000_000}
RETAINED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
BARS = {
    "losses.head_vs_pml_100k": (">= 2", 2.0),
    "losses.head_vs_gemm_100k": ("<= 1.5", 1.5),
    "losses.head_copies_100k": ("<= 0.1", 0.1),
    "losses.head_weighted_100k": ("<= 1.05", 1.05),
    "losses.head_weighted_copies_100k": ("<= 0.1", 0.1),
}


def ratios(
    classes: int, rounds: int, sides: Sequence[Side], device: str = "cpu", *, half: bool = False
) -> dict[str, float]:
    """Of each side: its time over the head's, the median over the rounds."""
    steps = [side(name, classes, device, half=half) for name in ("head", *sides)]
    head, *others = interleaved(steps, rounds)
    return {
        name: median(b / a for a, b in zip(head, other, strict=True))
        for name, other in zip(sides, others, strict=True)
    }


def judged(name: str, value: float, unit: str) -> Result:
    """A row, with its bar if it has one."""
    if name not in BARS:
        return row(name, value, unit)
    bar, limit = BARS[name]
    return row(name, value, unit, bar, value >= limit if ">" in bar else value <= limit)


def speed(
    size: str,
    rounds: int,
    sides: Sequence[Side],
    *,
    retained: bool = False,
    device: str = "cpu",
    half: bool = False,
) -> list[Result]:
    """The head against ``sides``, in a process of its own."""
    code = (
        "import json\nfrom benchmarks.softmax_head import ratios\n"
        f"print(json.dumps(ratios({CLASSES[size]}, {rounds}, {sides!r}, {device!r}, half={half})))"
    )
    found = json.loads(fresh(code, RETAINED if retained else None).splitlines()[-1])
    end = size + ("_retained" if retained else "") + ending(device, half)
    rows = []
    for name in sides:
        value = 1 / found[name] if name == "gemm" else found[name]
        own = name if name.startswith("head_") else f"head_vs_{name}"
        rows.append(judged(f"losses.{own}_{end}", value, "x"))
    return rows


def copies(name: Side, size: str, *, device: str = "cpu", half: bool = False) -> Result:
    """Peak memory of a side, in a process of its own."""
    code = (
        "from benchmarks.softmax_sides import memory_beyond\n"
        f"print(memory_beyond({name!r}, {CLASSES[size]}, {device!r}, half={half}))"
    )
    value = float(fresh(code).split()[-1])
    return judged(f"losses.{name}_copies_{size}{ending(device, half)}", value, "W")


def million() -> Result:
    """Resident memory of one step at C = 1 M: weights, gradient, momentum, and the head."""
    value = peak_gib(f"from benchmarks.softmax_sides import sgd_step\nsgd_step({CLASSES['1m']})")
    return row("losses.head_gib_1m", value, "GiB", "<= 12", value <= 12)


def ending(device: str, half: bool) -> str:
    if device == "cpu":
        return ""
    return f"_{device}_{'bfloat16' if half else 'float32'}"


def on_cuda(rounds: int) -> list[Result]:
    """The same table on a CUDA device, in both precisions."""
    found: list[Result] = []
    for half in (False, True):
        for size in CLASSES:
            sides: list[Side] = ["gemm", "naive", "compiled", "pml"]
            found += speed(size, rounds, sides, device="cuda", half=half)
        names: list[Side] = ["head", "naive", "compiled", "pml"]
        found += [copies(name, "100k", device="cuda", half=half) for name in names]
    return found


def results(*, quick: bool) -> list[Result]:
    everyone: list[Side] = ["gemm", "naive", "pml"]
    if quick:
        found = speed("100k", 3, ["gemm", "pml", "head_weighted"])
        found += [copies("head", "100k"), copies("head_weighted", "100k")]
    else:
        found = []
        for size in ("1k", "10k", "100k"):
            for retained in (False, True):
                found += speed(size, 15, everyone, retained=retained)
        for name in ("gemm", "naive", "pml"):  # two sides at a time: a million weights are 2 GiB
            found += speed("1m", 3, [name])
        found += speed("100k", 15, ["head_weighted", "head_smoothed", "head_rows"])
        names: list[Side] = ["head", "head_weighted", "head_rows", "naive", "pml"]
        found += [copies(name, "100k") for name in names]
    found.append(million())
    if torch.cuda.is_available():
        found += on_cuda(5 if quick else 15)
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
