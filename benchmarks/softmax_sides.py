"""The fused head and its competitors: a peer, the naive formula, and bare matrix products.

Each side is one forward and backward pass of ArcFace (B = 128, D = 512) from the same embeddings;
gradients are freed after each pass. The head is also run with weights of samples, with smoothed
labels, and with the loss of each row, of which the mean is taken afterwards. Under ``half`` (CUDA)
all run in bfloat16 autocast; the head computes in float32 even there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from pytorch_metric_learning.losses import ArcFaceLoss
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import resident_bytes
from likewise.losses import ArcFace

__all__ = ["BATCH", "DIMENSION", "Naive", "Side", "memory_beyond", "sgd_step", "side"]

BATCH, DIMENSION, MARGIN, SCALE = 128, 512, 0.5, 64.0
Side = Literal[
    "head", "head_weighted", "head_smoothed", "head_rows", "pml", "naive", "compiled", "gemm"
]


class Naive(nn.Module):
    """ArcFace by the naive formula: normalise, compute the angle, cross-entropy."""

    def __init__(self, classes: int, dimension: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, dimension).normal_(std=0.01))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = F.normalize(embeddings) @ F.normalize(self.weight).T
        own = cosines.gather(1, labels[:, None])
        moved = (own.clamp(-1 + 1e-6, 1 - 1e-6).acos() + MARGIN).cos()
        return F.cross_entropy(SCALE * cosines.scatter(1, labels[:, None], moved.to(own)), labels)


def side(
    name: Side, classes: int, device: str = "cpu", *, half: bool = False, dimension: int = DIMENSION
) -> Callable[[], object]:
    """A function that runs one step of a side and, on an accelerator, waits for its end."""
    torch.manual_seed(0)
    embeddings = torch.randn(BATCH, dimension).to(device).requires_grad_()
    labels = torch.randint(classes, (BATCH,)).to(device)
    loss: nn.Module
    match name:
        case "head" | "head_weighted" | "head_smoothed" | "head_rows":
            loss = ArcFace(
                classes,
                dimension,
                margin=MARGIN,
                scale=SCALE,
                label_smoothing=0.1 if name == "head_smoothed" else 0.0,
                reduction="none" if name == "head_rows" else "mean",
            )
        case "pml":
            loss = ArcFaceLoss(classes, dimension, margin=math.degrees(MARGIN), scale=SCALE)
        case "naive" | "compiled":
            loss = Naive(classes, dimension)
        case "gemm":
            loss = nn.Linear(dimension, classes, bias=False)
    loss.to(device)
    call = torch.compile(loss) if name == "compiled" else loss

    more = {"weights": torch.rand(BATCH).to(device)} if name == "head_weighted" else {}

    def products() -> None:
        x, (weight,) = embeddings.detach(), (p.detach() for p in loss.parameters())
        cosines = x @ weight.T
        _ = cosines @ weight, cosines.T @ x

    def forward_backward() -> None:
        call(embeddings, labels, **more).mean().backward()
        embeddings.grad = None  # freed, so that the other sides have the memory
        loss.zero_grad()

    def step() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
            (products if name == "gemm" else forward_backward)()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def memory_beyond(name: Side, classes: int, device: str = "cpu", *, half: bool = False) -> float:
    """Peak memory of one step beyond W, its gradient and one chunk of logits, in units of W.

    Call it in a fresh process: memory that was freed before would be reused and not counted.
    """
    side(name, 10, device, half=half)()  # warm-up: loads kernels and libraries
    step = side(name, classes, device, half=half)
    weights, logits = 4 * classes * DIMENSION, 4 * classes * BATCH
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        peak = torch.cuda.max_memory_allocated()
    else:
        before = resident_bytes()
        step()
        peak = resident_bytes(peak=True)
    return (peak - before - weights - logits) / weights


def sgd_step(classes: int) -> None:
    """One whole step of the head: forward, backward, SGD with momentum."""
    torch.manual_seed(0)
    loss = ArcFace(classes, DIMENSION)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1, momentum=0.9)
    labels = torch.randint(classes, (BATCH,))
    loss(torch.randn(BATCH, DIMENSION, requires_grad=True), labels).backward()
    optimizer.step()
