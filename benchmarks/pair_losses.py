"""Pair and triplet losses: batch-all against pytorch-metric-learning, and memory at large batches.

python -m benchmarks.pair_losses [--quick] [--json FILE]
"""

from __future__ import annotations

from statistics import median

import torch
from pytorch_metric_learning.losses import TripletMarginLoss

from benchmarks.measure import Result, arguments, interleaved, peak_gib, report, row
from likewise.losses import Triplet

DIMENSION, PER_CLASS, MARGIN = 128, 16, 0.2
STEP = """
import torch
from likewise.losses import *
embeddings = torch.randn({batch}, 128, requires_grad=True)
{loss}(embeddings, torch.arange({batch}) // 16).backward()
"""


def batchall_vs_pml(rounds: int) -> Result:
    """How many times faster one forward and backward pass is, at B = 1024 in float32."""
    embeddings = torch.randn(1024, DIMENSION, requires_grad=True)
    labels = torch.arange(1024) // PER_CLASS
    ours, theirs = Triplet(margin=MARGIN), TripletMarginLoss(margin=MARGIN)
    torch.testing.assert_close(ours(embeddings, labels), theirs(embeddings, labels))

    def step(loss: torch.nn.Module) -> None:
        embeddings.grad = None
        loss(embeddings, labels).backward()

    fast, slow = interleaved([lambda: step(ours), lambda: step(theirs)], rounds)
    value = median(b / a for a, b in zip(fast, slow, strict=True))
    return row("losses.batchall_vs_pml_1024", value, "x", ">= 20", value >= 20)


def memory(name: str, loss: str, batch: int, limit: float) -> Result:
    """Peak resident memory of a process that takes one step, torch itself included."""
    value = peak_gib(STEP.format(batch=batch, loss=loss))
    return row(name, value, "GiB", f"<= {limit:g}", value <= limit)


def results(*, quick: bool) -> list[Result]:
    return [
        batchall_vs_pml(rounds=4 if quick else 15),
        memory("losses.batchall_gib_8192", "Triplet()", 8192, 4),
        memory("losses.ntxent_gib_4096", "NTXent()", 4096, 1.5),
        memory("losses.supcon_gib_4096", "SupCon()", 4096, 1.5),
        memory("losses.multi_similarity_gib_4096", "MultiSimilarity()", 4096, 1.5),
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
