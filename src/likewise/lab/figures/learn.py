"""Train a small network with one loss, with embeddings in two or three dimensions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.errors import LikewiseError
from likewise.lab.figures.network import contrast_features, create_network
from likewise.lab.figures.settings import Setting
from likewise.lab.figures.views import Views
from likewise.losses.loss import as_loss

__all__ = ["STEPS", "Snapshot", "learn", "one_thread"]

STEPS = 600
OFFSET_LR = 3e-2  # of a bias: a single number, which begins far from its optimum
BATCH = 8  # views of each person in a batch
MARGIN_FROM, MARGIN_TO = 0.2, 0.6  # of training: no margin before, the full margin after


@dataclass(frozen=True)
class Snapshot:
    """The embeddings of the views after some training steps.

    Args:
        step: training steps taken.
        points: float64 [N, D], not normalised.
        labels: int64 [N].
        loss: a copy of the loss at that step, in evaluation mode.
    """

    step: int
    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    loss: nn.Module


def learn(
    setting: Setting,
    training: Views,
    shown: Views,
    *,
    dim: int = 2,
    steps: int = STEPS,
    seed: int = 0,
    frames: int = 1,
) -> list[Snapshot]:
    """Train from random weights, and embed the views to be shown.

    The margin is warmed up: on a circle a class cannot pass another one, and with the full margin
    from the first step some classes would stay where they began.

    Args:
        setting: the loss and its hyperparameters.
        training: the training set.
        shown: the views that are embedded; not in the training set.
        dim: length of an embedding.
        steps: number of batches, each with 8 views of every person.
        seed: of the weights and the batches.
        frames: how many snapshots are kept, including the last step.

    Returns:
        ``frames`` snapshots, in order.

    Raises:
        LikewiseError: the embeddings are not finite.
    """
    classes = int(training.labels.max()) + 1
    snapshots = set(np.linspace(steps, 1, frames).round().astype(int).tolist())
    kept: list[Snapshot] = []
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        seen, unseen = contrast_features(training.inputs()), contrast_features(shown.inputs())
        network = create_network(seen.shape[1], dim)
        loss = setting.create(num_classes=classes, embedding_dim=dim)
        groups: list[dict[str, Any]] = [
            {"params": list(network.parameters())},
            {"params": [p for p in loss.parameters() if p.ndim > 1], "lr": setting.figure.loss_lr},
            {"params": [p for p in loss.parameters() if p.ndim <= 1], "lr": OFFSET_LR},
        ]
        optimizer = torch.optim.Adam(groups, lr=setting.figure.lr)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=0.2,
        )
        for step in range(1, steps + 1):
            _warm_up_margin(loss, step / steps)
            rows = _draw_batch(training.labels, classes)
            value = loss(network(seen[rows]), training.labels[rows])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            if step in snapshots:
                kept.append(_embed(network, loss, unseen, shown.labels, step))
    return kept


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread: faster for a small network, and the result depends on no number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _draw_batch(labels: Tensor, classes: int) -> Tensor:
    """Rows of ``BATCH`` random views of each person; the views of one person are contiguous."""
    each = len(labels) // classes
    return (torch.randint(each, (classes, BATCH)) + each * torch.arange(classes)[:, None]).flatten()


def _warm_up_margin(loss: nn.Module, progress: float) -> None:
    fraction = min(1.0, max(0.0, (progress - MARGIN_FROM) / (MARGIN_TO - MARGIN_FROM)))
    as_loss(loss).set_margin_fraction(fraction)


def _embed(
    network: nn.Module, loss: nn.Module, inputs: Tensor, labels: Tensor, step: int
) -> Snapshot:
    network.eval()
    with torch.no_grad():
        points = network(inputs).double().numpy()
    network.train()
    if not np.isfinite(points).all():
        raise LikewiseError(f"{type(loss).__name__}: the embeddings are not finite after training")
    return Snapshot(step, points, labels.numpy(), copy.deepcopy(loss).eval())
