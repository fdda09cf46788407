"""Teach a small network one loss, with embeddings that fit on paper."""

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
from likewise.losses.head.head import Head

__all__ = ["STEPS", "Embedded", "learn", "one_thread"]

STEPS = 600
OFFSET_LR = 3e-2  # a threshold is one number, and has far to go from where it starts
BATCH = 8  # views of each person
MARGIN_FROM, MARGIN_TO = 0.2, 0.6  # of training: no margin before, the whole margin after


@dataclass(frozen=True)
class Embedded:
    """Where the views lie after some steps.

    Args:
        step: training steps taken.
        points: float64 [N, D], not normalised.
        labels: int64 [N].
        loss: as it was then, in evaluation mode: its class weights, centres or proxies.
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
) -> list[Embedded]:
    """Train from nothing, and embed the views to be shown.

    The margin, where there is one, is let in slowly: on a circle a class cannot walk around
    another one, and with the whole margin from the first step some would stay where they began.

    Args:
        setting: the loss, and how it is trained.
        training: what the network learns from.
        shown: what it embeds, not seen in training.
        dim: numbers in an embedding.
        steps: batches; each holds 8 views of every person.
        seed: draws the weights and the batches.
        frames: how many moments are kept, the last one included.

    Returns:
        The moments in their order, ``frames`` of them.

    Raises:
        LikewiseError: the embeddings are not finite.
    """
    classes = int(training.labels.max()) + 1
    moments = set(np.linspace(steps, 1, frames).round().astype(int).tolist())
    kept: list[Embedded] = []
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        seen, unseen = contrast_features(training.inputs()), contrast_features(shown.inputs())
        network = create_network(seen.shape[1], dim)
        loss = setting.create(num_classes=classes, embedding_dim=dim)
        groups: list[dict[str, Any]] = [
            {"params": list(network.parameters())},
            {"params": [p for p in loss.parameters() if p.ndim > 1], "lr": setting.loss_lr},
            {"params": [p for p in loss.parameters() if p.ndim <= 1], "lr": OFFSET_LR},
        ]
        optimizer = torch.optim.Adam(groups, lr=setting.lr)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=0.2,
        )
        for step in range(1, steps + 1):
            _let_margin_in(loss, step / steps)
            rows = _draw_batch(training.labels, classes)
            value = loss(network(seen[rows]), training.labels[rows])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            if step in moments:
                kept.append(_embed(network, loss, unseen, shown.labels, step))
    return kept


@contextmanager
def one_thread() -> Iterator[None]:
    """So small a network gains nothing from more, and the cores of a machine change no number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _draw_batch(labels: Tensor, classes: int) -> Tensor:
    """Rows of ``BATCH`` random views of each person; the views of one person lie together."""
    each = len(labels) // classes
    return (torch.randint(each, (classes, BATCH)) + each * torch.arange(classes)[:, None]).flatten()


def _let_margin_in(loss: nn.Module, progress: float) -> None:
    fraction = min(1.0, max(0.0, (progress - MARGIN_FROM) / (MARGIN_TO - MARGIN_FROM)))
    for module in loss.modules():
        if isinstance(module, Head):
            module.set_margin_fraction(fraction)


def _embed(
    network: nn.Module, loss: nn.Module, inputs: Tensor, labels: Tensor, step: int
) -> Embedded:
    network.eval()
    with torch.no_grad():
        points = network(inputs).double().numpy()
    network.train()
    if not np.isfinite(points).all():
        raise LikewiseError(f"{type(loss).__name__}: the embeddings left all bounds in training")
    return Embedded(step, points, labels.numpy(), copy.deepcopy(loss).eval())
