"""Throughput of embedding: over the bare forward pass, in bf16, and compiled.

python -m benchmarks.models [--quick] [--json FILE]
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Result, arguments, interleaved, report, row
from likewise.data.preprocess import Preprocess
from likewise.machine import multiplies_bf16
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone

COUNT, BATCH, SIZE = 192, 64, 112


def embedder_of(name: str, dimension: int) -> Embedder:
    """An untrained network of this name: the time does not depend on the weights."""
    torch.manual_seed(0)
    backbone = Backbone(name, dimension)
    module = create_backbone(backbone, height=SIZE, width=SIZE).eval()
    return Embedder(module, Preprocess(SIZE, SIZE), backbone)


def images_of(count: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def embed_vs_forward(rounds: int) -> Result:
    """``Embedder.embed`` on images in memory over the bare forward pass of IResNet-18, 112 px."""
    embedder, images = embedder_of("iresnet18", 512), images_of(COUNT)
    module = embedder.module
    ready = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous()

    def forward() -> None:
        with torch.inference_mode():
            for part in ready.split(BATCH):
                module(part)

    embedding, bare = interleaved(
        [lambda: embedder.embed(images, batch_size=BATCH), forward], rounds
    )
    value = median(b / a for a, b in zip(embedding, bare, strict=True))
    return row("models.embed_vs_forward", value, "x", ">= 0.9", value >= 0.9)


def bf16_vs_float32(name: str, dimension: int, rounds: int) -> list[Result]:
    """How many times faster bf16 is; 1 less the lowest cosine to the embedding in float32."""
    embedder, images = embedder_of(name, dimension), images_of(BATCH)
    full, half = interleaved(
        [lambda: embedder.embed(images), lambda: embedder.embed(images, precision="bf16")], rounds
    )
    value = median(a / b for a, b in zip(full, half, strict=True))
    bar = ">= 1.2" if multiplies_bf16() else "–"
    both = embedder.embed(images), embedder.embed(images, precision="bf16")
    gap = 1 - float((both[0] * both[1]).sum(1).min())
    return [
        row(f"models.bf16_{name}", value, "x", bar, value >= 1.2 or bar == "–"),
        row(f"models.bf16_gap_{name}", gap, "", "<= 0.001", gap <= 0.001),
    ]


def compiled(name: str, dimension: int, rounds: int) -> list[Result]:
    """How many times faster the compiled network is, and the seconds of its first batch."""
    embedder, images = embedder_of(name, dimension), images_of(BATCH)
    found = []
    for precision in ("float32", "bf16"):

        def embed(compile: bool, precision: str = precision) -> object:
            return embedder.embed(images, precision=precision, compile=compile)

        start = time.perf_counter()
        embed(compile=True)
        first = time.perf_counter() - start
        plain, fast = interleaved([lambda: embed(False), lambda: embed(True)], rounds)
        value = median(a / b for a, b in zip(plain, fast, strict=True))
        found += [
            row(f"models.compiled_{precision}_{name}", value, "x"),
            row(f"models.compile_{precision}_{name}_s", first, "s"),
        ]
    return found


def results(*, quick: bool) -> list[Result]:
    rounds = 3 if quick else 15
    found = [embed_vs_forward(rounds)]
    for name, dimension in (("iresnet18", 512), ("mobilefacenet", 256)):
        found += bf16_vs_float32(name, dimension, rounds)
    if not quick:  # compiling takes minutes
        found += compiled("mobilefacenet", 256, rounds)
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
