"""Throughput of embedding, relative to the forward pass of the network.

python -m benchmarks.models [--quick] [--json FILE]
"""

from __future__ import annotations

from statistics import median

import numpy as np
import torch

from benchmarks.measure import Result, arguments, interleaved, report, row
from likewise.data.preprocess import Preprocess
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone

COUNT, BATCH, SIZE = 192, 64, 112


def embed_vs_forward(rounds: int) -> Result:
    """``Embedder.embed`` on images in memory over the bare forward pass of IResNet-18, 112 px."""
    backbone = Backbone("iresnet18", 512)
    module = create_backbone(backbone, height=SIZE, width=SIZE).eval()
    embedder = Embedder(module, Preprocess(SIZE, SIZE), backbone)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)
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


def results(*, quick: bool) -> list[Result]:
    return [embed_vs_forward(3 if quick else 15)]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
