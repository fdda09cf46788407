"""pytorch-metric-learning as its documentation shows it, in the network of the default recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.accuracy.clock import Clock, Curve
from benchmarks.accuracy.plain import (
    BATCH,
    RATE,
    Judge,
    Trained,
    decoded,
    embedded,
    flipped_and_cropped,
    shuffled,
)
from likewise.data.manifest import Manifest
from likewise.errors import MissingExtra
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.build import bare_network_of, preprocess_of

PHOTOS = 4  # of each identity in a batch of triplets

Step = Callable[[Tensor, Tensor], Tensor]


def cosface(classes: int, dimension: int) -> tuple[Step, nn.Module]:
    """CosFaceLoss with its default margin and scale; its class weights are trained too."""
    from pytorch_metric_learning import losses

    loss: nn.Module = losses.CosFaceLoss(num_classes=classes, embedding_size=dimension)
    return loss, loss


def triplet(classes: int, dimension: int) -> tuple[Step, nn.Module]:  # noqa: ARG001  # one signature for both
    """TripletMarginLoss with semi-hard mining and the cosine, as in the library's first example."""
    from pytorch_metric_learning import distances, losses, miners, reducers

    cosine, reducer = distances.CosineSimilarity(), reducers.ThresholdReducer(low=0)
    loss = losses.TripletMarginLoss(margin=0.2, distance=cosine, reducer=reducer)
    miner = miners.TripletMarginMiner(margin=0.2, distance=cosine, type_of_triplets="semihard")

    def step(embeddings: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = loss(embeddings, labels, miner(embeddings, labels))
        return value

    return step, loss


def by_identity(labels: NDArray[np.int64], seed: int) -> Iterator[Tensor]:
    """Batches of 4 photos an identity, by the library's sampler, without end."""
    from pytorch_metric_learning.samplers import MPerClassSampler

    np.random.seed(seed)  # noqa: NPY002  # the sampler draws from it
    size = min(BATCH, PHOTOS * len(np.unique(labels)))
    size -= size % PHOTOS
    sampler: Any = MPerClassSampler(
        labels, m=PHOTOS, batch_size=size, length_before_new_iter=max(size, len(labels))
    )
    while True:
        yield from torch.tensor(list(sampler)).split(size)


def train_peer(
    method: str,
    recipe: Recipe,
    train: Manifest,
    test: Manifest,
    budget: float,
    seed: int,
    marks: list[float],
    judge: Judge,
) -> Trained:
    """Train for ``budget`` CPU seconds, as ``train_plain`` does.

    Args:
        method: ``pml-cosface`` or ``pml-triplet``.
        recipe: names the network and its input; its other settings are not used.
        train: the photos to train on.
        test: the photos to embed.
        budget: CPU seconds, decoding included.
        seed: of weights, batches and crops.
        marks: CPU seconds at which the test photos are embedded in the middle.
        judge: the accuracy of embeddings of the test photos.

    Raises:
        MissingExtra: pytorch-metric-learning is not installed.
    """
    try:
        import pytorch_metric_learning  # noqa: F401  # only whether it is there
    except ImportError:
        raise MissingExtra("the peer, pytorch-metric-learning", "bench") from None
    preprocess = preprocess_of(recipe, None)
    test_pixels = decoded(test, preprocess)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    clock = Clock()
    photos, labels = decoded(train, preprocess), torch.from_numpy(train.labels)
    network = bare_network_of(recipe).train()
    make = triplet if method == "pml-triplet" else cosface
    step, weights = make(len(train.identities), recipe.model.embedding_dim)
    curve = Curve(clock, marks, lambda: judge(embedded(network, preprocess, test_pixels)))
    optimizer = torch.optim.AdamW([*network.parameters(), *weights.parameters()], lr=RATE)
    batches = (
        by_identity(train.labels, seed)
        if method == "pml-triplet"
        else shuffled(len(photos), BATCH, random)
    )
    steps = seen = 0
    for rows in batches:
        if clock.seconds >= budget:
            break
        images = preprocess.normalise(flipped_and_cropped(photos[rows], random))
        loss = step(network(images), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps, seen = steps + 1, seen + len(rows)
        curve.step()
    spent = clock.seconds
    return Trained(embedded(network, preprocess, test_pixels), curve, spent, steps, seen)
