"""Sampled classes and their competitors, each as one whole step of the class weights.

A step is forward pass, backward pass and SGD with momentum on given embeddings (B = 128), as a
trainer does after the network. ``full`` and ``sampled`` are those of this package; ``bare`` is the
naive formula with torch's optimizer; ``partial_fc`` is Partial FC (arXiv 2010.05222) as published,
with a dense gradient and a dense momentum: rows are drawn and copied, and their gradient is written
to a tensor as large as the weights.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import resident_bytes
from benchmarks.softmax_sides import Naive
from likewise.losses import ArcFace, Placement, place_classes
from likewise.training.step.row_optimizer import Moments, RowAdamW, RowSGD

__all__ = [
    "BATCH",
    "SAMPLE",
    "PartialFC",
    "Side",
    "measured_bytes",
    "peak_of",
    "sampled_head",
    "side",
]

BATCH, SAMPLE, MARGIN, SCALE = 128, 0.1, 0.5, 64.0
Side = Literal["full", "sampled", "bare", "partial_fc"]


class PartialFC(nn.Module):
    """Partial FC as in its paper: ArcFace over the positive classes and random negative ones."""

    def __init__(self, classes: int, dimension: int, sample: float) -> None:
        super().__init__()
        self.sample = sample
        self.weight = nn.Parameter(torch.empty(classes, dimension).normal_(std=0.01))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        classes = len(self.weight)
        positive = labels.unique()
        order = torch.rand(classes)
        order[positive] = 2.0
        index = order.topk(int(self.sample * classes)).indices.sort().values
        labels = torch.searchsorted(index, labels)
        cosines = F.normalize(embeddings) @ F.normalize(self.weight[index]).T
        own = cosines.gather(1, labels[:, None])
        moved = (own.clamp(-1 + 1e-6, 1 - 1e-6).acos() + MARGIN).cos()
        return F.cross_entropy(SCALE * cosines.scatter(1, labels[:, None], moved), labels)


def sampled_head(classes: int, dimension: int, placement: Placement | None = None) -> ArcFace:
    with place_classes(placement or Placement(sample=SAMPLE)):
        return ArcFace(classes, dimension, margin=MARGIN, scale=SCALE)


def side(name: Side, classes: int, dimension: int) -> Callable[[], object]:
    """A function that runs one training step of a side."""
    torch.manual_seed(0)
    loss: nn.Module
    match name:
        case "full":
            loss = ArcFace(classes, dimension, margin=MARGIN, scale=SCALE)
        case "sampled":
            loss = sampled_head(classes, dimension)
        case "bare":
            loss = Naive(classes, dimension)
        case "partial_fc":
            loss = PartialFC(classes, dimension, SAMPLE)
    optimizer: torch.optim.Optimizer
    if name == "sampled":
        rows = [{"params": list(loss.parameters()), "rows": True}]
        optimizer = RowSGD(rows, 0.1, momentum=0.9)
        optimizer.allocate()
    else:
        optimizer = torch.optim.SGD(loss.parameters(), 0.1, momentum=0.9)
    embeddings = torch.randn(BATCH, dimension).requires_grad_()
    labels = torch.randint(classes, (BATCH,))

    def step() -> None:
        loss(embeddings, labels).backward()
        optimizer.step()
        optimizer.zero_grad()  # freed, so that the other sides have the memory
        embeddings.grad = None

    return step


def peak_of(name: Side, classes: int, dimension: int) -> float:
    """Peak memory of a side over three steps, in units of W.

    Call it in a fresh process.
    """
    side(name, 10 * BATCH, dimension)()
    before = resident_bytes()
    step = side(name, classes, dimension)
    for _ in range(3):
        step()
    return (resident_bytes(peak=True) - before) / (4 * classes * dimension)


def measured_bytes(classes: int, dimension: int, moments: Moments = "full") -> dict[str, float]:
    """One sampled step in units of W: its gradient, its workspace beyond that, and the moments.

    Call it in a fresh process: memory that was freed before would be reused and not counted.
    """
    side("sampled", 10 * BATCH, dimension)()  # warm-up: loads kernels and libraries
    gc.collect()
    torch.manual_seed(0)
    loss = sampled_head(classes, dimension)
    optimizer = RowAdamW([{"params": [loss.weight], "rows": True}], moments=moments)
    optimizer.allocate()
    held = [x for x in optimizer.state[loss.weight].values() if x.ndim]
    for x in held:
        x.fill_(0.0)  # makes the pages resident
    embeddings = torch.randn(BATCH, dimension).requires_grad_()
    labels = torch.randint(classes, (BATCH,))
    weights = loss.weight.nbytes
    before = resident_bytes()
    loss(embeddings, labels).backward()
    grad = loss.weight.grad
    assert grad is not None
    gradient = grad.indices().nbytes + grad.values().nbytes
    optimizer.step()
    peak = resident_bytes(peak=True)
    return {
        "gradient": gradient / weights,
        "workspace": (peak - before - gradient) / weights,
        "moments": sum(x.nbytes for x in held) / weights,
    }
