"""The plain script: what somebody writes in an afternoon, in fifteen lines of plain PyTorch.

Four stride-2 blocks of convolution, batch norm and ReLU, global average pooling, 64 pixels,
cross-entropy, AdamW, flips and random crops; two photos are compared by the cosine of the layer
before the classifier. Photos are decoded once. It stops when its CPU seconds are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.accuracy.clock import Clock, Curve
from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess

SIZE, BATCH, RATE = 64, 64, 1e-3
Judge = Callable[[NDArray[np.float32]], float]


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Args:
        vectors: the embeddings of the test photos, float32 [N,D].
        curve: the accuracies at the marks.
        seconds: CPU seconds used.
        steps: number of steps.
        photos: number of photos in all steps together.
    """

    vectors: NDArray[np.float32]
    curve: Curve
    seconds: float
    steps: int
    photos: int


def block(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU()
    )


def plain_network() -> nn.Sequential:
    """float32 [B,3,64,64] → [B,256]."""
    return nn.Sequential(
        block(3, 32), block(32, 64), block(64, 128), block(128, 256),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def decoded(manifest: Manifest, preprocess: Preprocess) -> Tensor:
    """All photos, uint8 [N,C,H,W]."""
    return torch.stack([preprocess.pixels(photo) for photo in manifest.photos()])


def flipped_and_cropped(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Half of the photos mirrored, and each moved by up to a sixteenth of its side."""
    side, edge = pixels.shape[-1], max(1, pixels.shape[-1] // 16)
    padded = F.pad(pixels.float(), (edge,) * 4, mode="replicate")
    height = pixels.shape[-2]
    places = random.integers(0, 2 * edge + 1, (len(pixels), 2)).tolist()
    mirror = (random.random(len(pixels)) < 0.5).tolist()
    cut = [
        photo[:, top : top + height, start : start + side]
        for photo, (top, start) in zip(padded, places, strict=True)
    ]
    return torch.stack([c.flip(-1) if m else c for c, m in zip(cut, mirror, strict=True)])


def shuffled(count: int, batch: int, random: np.random.Generator) -> Iterator[Tensor]:
    """Batches without end; an incomplete last one of a pass is dropped."""
    batch = min(batch, count)
    while True:
        order = torch.from_numpy(random.permutation(count))
        yield from order[: count - count % batch].split(batch)


@torch.no_grad()
def embedded(network: nn.Module, preprocess: Preprocess, pixels: Tensor) -> NDArray[np.float32]:
    """The embeddings of the pixels, with the network in evaluation mode, which it then leaves."""
    network.eval()
    parts = [network(preprocess.normalise(part)) for part in pixels.split(256)]
    network.train()
    found: NDArray[np.float32] = torch.cat(parts).numpy()
    return found


def train_plain(
    train: Manifest, test: Manifest, budget: float, seed: int, marks: list[float], judge: Judge
) -> Trained:
    """Train for ``budget`` CPU seconds.

    Args:
        train: the photos to train on.
        test: the photos to embed.
        budget: CPU seconds, decoding included.
        seed: of weights, batches and crops.
        marks: CPU seconds at which the test photos are embedded in the middle.
        judge: the accuracy of embeddings of the test photos.
    """
    preprocess = Preprocess(SIZE, SIZE, 3, fit="stretch")
    test_pixels = decoded(test, preprocess)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    clock = Clock()
    photos, labels = decoded(train, preprocess), torch.from_numpy(train.labels)
    network, classifier = plain_network(), nn.Linear(256, len(train.identities))
    curve = Curve(clock, marks, lambda: judge(embedded(network, preprocess, test_pixels)))
    optimizer = torch.optim.AdamW([*network.parameters(), *classifier.parameters()], lr=RATE)
    steps = seen = 0
    for rows in shuffled(len(photos), BATCH, random):
        if clock.seconds >= budget:
            break
        images = preprocess.normalise(flipped_and_cropped(photos[rows], random))
        loss = F.cross_entropy(classifier(network(images)), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps, seen = steps + 1, seen + len(rows)
        curve.step()
    spent = clock.seconds
    return Trained(embedded(network, preprocess, test_pixels), curve, spent, steps, seen)
