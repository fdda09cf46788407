"""Which photos make a batch: plain shuffling, or P identities × K photos."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError

__all__ = ["BalancedBatches", "BatchPlan", "EpochSampler", "PlainBatches"]

# One photo to fetch: its row, and the seed of its augmentation.
Draw = tuple[int, int]


class BatchPlan(Protocol):
    """The batches of an epoch as a pure function of its number: what makes resuming exact."""

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The rows of each batch of ``epoch``."""


class PlainBatches:
    """Every photo once an epoch, in random order; the last, incomplete batch is left out.

    Args:
        labels: the label of each row, shape [N].
        batch_size: photos a batch.
        seed: draws the order.
    """

    def __init__(self, labels: NDArray[np.int64], batch_size: int, seed: int) -> None:
        # Fewer photos than a batch holds make one smaller batch, not an empty epoch.
        self.total = len(labels)
        self.batch_size = min(batch_size, self.total)
        self.seed = seed

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The rows of each batch: a new shuffle every epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self.total)
        whole = self.total // self.batch_size * self.batch_size
        return list(order[:whole].reshape(-1, self.batch_size))


class BalancedBatches:
    """P identities × K photos a batch, so that every anchor has positives.

    Identities come in shuffled rounds (none returns before all had their turn); an identity with
    fewer than K photos repeats some. An epoch is as many batches as hold all photos once.

    Args:
        labels: the label of each row, shape [N].
        identities: P, the identities a batch.
        images: K, the photos of each.
        seed: draws both.

    Raises:
        InputError: there are fewer than two identities.
    """

    def __init__(self, labels: NDArray[np.int64], identities: int, images: int, seed: int) -> None:
        order = np.argsort(labels, kind="stable")
        starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
        self.rows = np.split(order, starts[1:])
        if len(self.rows) < 2:
            raise InputError("batch.identities: a balanced batch needs at least 2 identities")
        self.identities = min(identities, len(self.rows))
        self.images = images
        self.count = max(1, len(labels) // (self.identities * images))
        self.seed = seed

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The rows of each batch, those of an identity side by side, shape [P·K]."""
        random = np.random.default_rng([self.seed, epoch])
        turns = self._turns(random)
        return [
            np.concatenate([self._photos(next(turns), random) for _ in range(self.identities)])
            for _ in range(self.count)
        ]

    def _turns(self, random: np.random.Generator) -> Iterator[int]:
        """Identities, round after round; a round that begins within a batch repeats none of it."""
        begun: list[int] = []  # those already in the batch being filled
        while True:
            order = random.permutation(len(self.rows))
            if begun:
                order = np.concatenate([order[~np.isin(order, begun)], begun])
            for identity in order.tolist():
                begun.append(identity)
                yield identity
                if len(begun) == self.identities:
                    begun = []

    def _photos(self, identity: int, random: np.random.Generator) -> NDArray[np.int64]:
        rows = self.rows[identity]
        if len(rows) >= self.images:
            return random.choice(rows, self.images, replace=False)
        extra = random.choice(rows, self.images - len(rows))
        return np.concatenate([rows, extra])


class EpochSampler:
    """A batch sampler for ``torch.utils.data.DataLoader`` that can start anywhere in an epoch.

    Each draw carries the seed of its own augmentation, made from the run's seed, the epoch and
    the place in it: the pixels do not depend on which worker prepares them, or on a restart.

    Args:
        plan: the batches of each epoch.
        seed: the run's seed.
    """

    def __init__(self, plan: BatchPlan, seed: int) -> None:
        self.plan = plan
        self.seed = seed
        self.start_at(0, 0)

    def start_at(self, epoch: int, batch: int) -> None:
        """Let the next iteration begin at this batch of this epoch."""
        self.epoch, self.batch = epoch, batch
        self._batches = self.plan.batches(epoch)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Draw]]:
        for number in range(self.batch, len(self._batches)):
            rows = self._batches[number]
            seeds = np.random.default_rng([self.seed, self.epoch, number, 1]).integers(
                2**62, size=len(rows)
            )
            yield list(zip(rows.tolist(), seeds.tolist(), strict=True))
