"""Estimate for 29 million identities: memory and traffic of one GPU, from measured parts.

python -m benchmarks.classes.simulation

The memory of a class (weights, gradient, moments) is measured on a small sampled head of this
package; the head itself gives the chunks of a batch; the traffic between ranks is counted during
one step. The rest is multiplication. The published table (Partial FC as in ``arcface_torch``, 8
V100, MiB per GPU) checks the arithmetic: it is compared with the same estimate for an
implementation with full-size weights, gradient and momentum.

Setting: embeddings of dimension 512 in float32, 128 photos per GPU, a tenth of the classes per
step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.classes.sides import SAMPLE, sampled_head
from likewise.losses import Placement, Shard
from likewise.losses.classes.step_classes import Columns
from likewise.losses.head.class_blocks import _COPIED_BYTES, row_chunks
from likewise.losses.head.head import MEMORY_BUDGET
from likewise.training.step.row_optimizer import Moments, RowAdamW, RowSGD

__all__ = ["Pieces", "measured", "tables"]

DIMENSION, PHOTOS = 512, 128
MIB, GIB = 2**20, 2**30
PUBLISHED = {125_000: 4868, 1_400_000: 6056, 5_500_000: 9854, 29_000_000: 32324}
"""Identities, and MiB per GPU at a class sample of 0.1 on 8 GPUs."""


@dataclass(frozen=True)
class Pieces:
    """Bytes per class (weights, momentum, row-wise moments), per sampled class (gradient), and per
    row of the batch that one rank sends in collectives."""

    weight: float
    momentum: float
    row_moments: float
    gradient: float
    exchanged: float


class _Counted(Shard):
    """A shard whose collectives are counted, but not executed."""

    bytes = 0

    def sum_(self, numbers: Tensor) -> Tensor:
        _Counted.bytes += numbers.nbytes
        return numbers

    def max_(self, numbers: Tensor) -> Tensor:
        _Counted.bytes += numbers.nbytes
        return numbers


def measured() -> Pieces:
    """Run one step of a small head and measure its memory and communication."""
    classes, batch = 4000, 64
    torch.manual_seed(0)
    head = sampled_head(classes, DIMENSION, Placement(sample=SAMPLE, shard=_Counted(0, 2)))
    own = len(head.weight)
    _Counted.bytes = 0
    # Labels of this rank's own classes only: no other rank runs.
    head(torch.randn(batch, DIMENSION), torch.randint(own, (batch,))).backward()
    exchanged = _Counted.bytes / batch
    grad = head.weight.grad
    assert grad is not None
    gradient = (grad.indices().nbytes + grad.values().nbytes) / grad._nnz()

    def moments(optimizer: RowSGD | RowAdamW) -> float:
        optimizer.step()
        state = optimizer.state[head.weight]
        return sum(x.nbytes for x in state.values() if x.ndim) / own

    rows = [{"params": [head.weight], "rows": True}]
    chosen: Moments = "row"
    return Pieces(
        weight=head.weight.nbytes / own,
        momentum=moments(RowSGD(rows, 0.1, momentum=0.9)),
        row_moments=moments(RowAdamW(rows, moments=chosen)),
        gradient=gradient,
        exchanged=exchanged,
    )


def batch_memory(own: int, processes: int) -> float:
    """Temporary bytes of a step on one GPU: logits, copied rows, gathered embeddings."""
    batch, count = PHOTOS * processes, max(1, int(SAMPLE * own))
    weight = torch.empty(own, DIMENSION, device="meta")
    places = torch.empty(batch, dtype=torch.int64, device="meta")
    variant = sampled_head(2, DIMENSION)._variant()
    chunk = row_chunks(weight, Columns(count, count, places, sparse=True), variant)[0]
    rows, block = chunk.stop - chunk.start, min(count, _COPIED_BYTES // (4 * DIMENSION))
    assert rows * count * 4 <= max(MEMORY_BUDGET, 4 * count)
    # Cosines of all columns; weight rows, logits and slopes of one block.
    logits = 4 * rows * (count + 2 * block) + 4 * block * DIMENSION
    # Embeddings: gathered, normalized, their gradient, and its sum over the ranks.
    return logits + 4 * (4 * batch * DIMENSION)


def dense_mib(classes: int, processes: int, network: float) -> float:
    """Partial FC with weights, gradient and momentum full size, as published, in MiB per GPU."""
    own = classes / processes
    sampled = SAMPLE * own
    rows = 4 * DIMENSION * (3 * own + 3 * sampled)
    return (rows + 2 * 4 * PHOTOS * processes * sampled) / MIB + network


def network_mib() -> float:
    """Memory of the network in the published runs: the first row minus its class rows."""
    return PUBLISHED[125_000] - dense_mib(125_000, 8, 0.0)


def memory(classes: int, processes: int, pieces: Pieces) -> dict[str, float]:
    """GiB per GPU of each part, without the network."""
    own = -(-classes // processes)
    return {
        "weights": own * pieces.weight / GIB,
        "gradient": int(SAMPLE * own) * pieces.gradient / GIB,
        "momentum": own * pieces.momentum / GIB,
        "row moments": own * pieces.row_moments / GIB,
        "batch": batch_memory(own, processes) / GIB,
    }


def traffic(processes: int, pieces: Pieces) -> dict[str, float]:
    """MiB that one GPU receives in a step; an all-reduce sends the data around the ring twice."""
    batch, others = PHOTOS * processes, (processes - 1) / processes
    embeddings = 4 * batch * DIMENSION
    return {
        "embeddings and labels": others * (embeddings + 8 * batch) / MIB,
        "gradient of embeddings": 2 * others * embeddings / MIB,
        "numbers of the loss": 2 * others * pieces.exchanged * batch / MIB,
    }


def tables() -> str:
    """The three tables, in Markdown."""
    pieces, network = measured(), network_mib()
    lines = [
        "| identities, 8 GPUs | published, MiB | estimated, MiB |",
        "|---|---|---|",
    ]
    lines += [
        f"| {classes:,} | {mib:,} | {dense_mib(classes, 8, network):,.0f} |"
        for classes, mib in PUBLISHED.items()
    ]
    classes = 29_000_000
    head = "weights · gradient · momentum (or row moments) · batch"
    lines += [
        "",
        f"| 29 M identities on | {head}, GiB | with the network, GiB | as published, GiB |",
        "|---|---|---|---|",
    ]
    for processes in (8, 64, 512):
        part = memory(classes, processes, pieces)
        fixed = part["weights"] + part["gradient"] + part["batch"] + network / 1024
        dense = dense_mib(classes, processes, network) / 1024
        lines.append(
            f"| {processes} GPUs | {part['weights']:.2f} · {part['gradient']:.2f} · "
            f"{part['momentum']:.2f} ({part['row moments']:.3f}) · {part['batch']:.2f} | "
            f"{fixed + part['momentum']:.1f} ({fixed + part['row moments']:.1f}) | {dense:.1f} |"
        )
    lines += [
        "",
        "| MiB received per GPU and step | " + " | ".join(traffic(8, pieces)) + " | all |",
        "|---|---|---|---|---|",
    ]
    for processes in (8, 64, 512):
        volumes = list(traffic(processes, pieces).values())
        cells = " | ".join(f"{volume:.2f}" for volume in volumes)
        lines.append(f"| {processes} GPUs | {cells} | {sum(volumes):.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables())
