"""Batch sampling: plain shuffling, P identities × K photos, or balanced pairs.

A plan is a pure function of the epoch and the batch number, evaluated lazily: a run can resume at
any batch, and an epoch over ten million photos starts after one shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError

__all__ = [
    "BalancedBatches",
    "BatchPlan",
    "EpochSampler",
    "PairBatches",
    "PlainBatches",
    "RunSampler",
]

WEIGHTED = 3  # a stream of random numbers of its own
MOST_WEIGHT = 20  # of an identity in a weighted draw: a few famous people must not fill the batches
# A photo to load: its row, and the seed of its augmentation.
Draw = tuple[int, int]
Rows = NDArray[np.int64]


class BatchPlan(Protocol):
    """The batches of an epoch as a pure function of its number, so that resuming is exact."""

    def __len__(self) -> int:
        """The number of batches per epoch."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[Rows]:
        """The rows of each batch of ``epoch``, from batch ``start`` on."""


class PlainBatches:
    """All photos in random order, once per epoch; the last, incomplete batch is dropped.

    Args:
        labels: the label of each row, shape [N].
        batch_size: photos per batch.
        seed: determines the order.
    """

    def __init__(self, labels: Rows, batch_size: int, seed: int) -> None:
        # A set smaller than a batch gives one small batch, not an empty epoch.
        self.total = len(labels)
        self.batch_size = min(batch_size, self.total)
        self.seed = seed

    def __len__(self) -> int:
        return self.total // self.batch_size

    def batches(self, epoch: int, start: int = 0) -> Iterator[Rows]:
        """The rows of each batch: a new shuffle every epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self.total)
        whole = order[: len(self) * self.batch_size].reshape(-1, self.batch_size)
        return iter(whole[start:])


class BalancedBatches:
    """P identities × K photos per batch, so that every anchor has positives.

    Identities come in shuffled rounds, each once per round; an identity with fewer than K photos
    repeats some of them. An epoch has as many full batches as the photos fill.

    With ``by_photos`` each batch draws its identities anew, in proportion to their photos less one,
    at most 20: so each of their photos has about the same chance to meet another one, those of the
    identities with very many less, and identities with a single photo are not drawn.

    Args:
        labels: the label of each row, shape [N].
        identities: P, the identities per batch.
        images: K, the photos per identity.
        seed: determines both.
        by_photos: whether identities with more photos are drawn more often.

    Raises:
        InputError: there are fewer than two identities to draw.

    Source, of the weighted draw: Efraimidis and Spirakis, Weighted random sampling with a
        reservoir, Information Processing Letters 97, 2006.
    """

    def __init__(
        self, labels: Rows, identities: int, images: int, seed: int, *, by_photos: bool = False
    ) -> None:
        self.groups = _Groups(labels)
        self.weights = np.minimum(self.groups.sizes - 1, MOST_WEIGHT) if by_photos else None
        drawn = len(self.groups) if self.weights is None else np.count_nonzero(self.weights)
        if drawn < 2:
            having = " with two photos (batch.draw=by_photos)" if by_photos else ""
            raise InputError(
                f"batch.identities: a balanced batch needs at least 2 identities{having}"
            )
        self.identities = min(identities, int(drawn))
        self.images = images
        self.count = max(1, len(labels) // (self.identities * images))
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def batches(self, epoch: int, start: int = 0) -> Iterator[Rows]:
        """The rows of each batch, those of an identity adjacent, shape [P·K]."""
        turns: Iterator[Rows]
        if self.weights is None:
            turns = islice(self._rounds(epoch), start, self.count)
        else:
            turns = (self._weighted(epoch, number) for number in range(start, self.count))
        for number, identities in enumerate(turns, start):
            random = np.random.default_rng([self.seed, epoch, number])
            yield np.concatenate([self._photos(identity, random) for identity in identities])

    def _weighted(self, epoch: int, number: int) -> Rows:
        """The identities of a batch, by weight and without repeats: those with the least keys."""
        assert self.weights is not None
        keys = np.random.default_rng([self.seed, epoch, number, WEIGHTED]).exponential(
            size=len(self.weights)
        )
        with np.errstate(divide="ignore"):
            keys /= self.weights
        # Sorted, since the order within a partition depends on the processor.
        return np.sort(np.argpartition(keys, self.identities - 1)[: self.identities])

    def _rounds(self, epoch: int) -> Iterator[Rows]:
        """The identities of each batch; a batch that spans two rounds repeats no identity."""
        random = np.random.default_rng([self.seed, epoch])
        begun = np.empty(0, np.int64)  # identities left over from the previous round
        while True:
            order = random.permutation(len(self.groups))
            if len(begun):
                order = np.concatenate([order[~np.isin(order, begun)], begun])
            queue = np.concatenate([begun, order])
            whole = len(queue) // self.identities * self.identities
            yield from queue[:whole].reshape(-1, self.identities)
            begun = queue[whole:]

    def _photos(self, identity: int, random: np.random.Generator) -> Rows:
        rows = self.groups.rows(identity)
        if len(rows) >= self.images:
            return random.choice(rows, self.images, replace=False)
        extra = random.choice(rows, self.images - len(rows))
        return np.concatenate([rows, extra])


class PairBatches:
    """Adjacent pairs of photos, half of them genuine and half impostor, for siamese losses.

    Rows 2i and 2i+1 of a batch are a pair (``miner: adjacent``). Genuine pairs are drawn uniformly
    from all genuine pairs of the data, impostor pairs from all impostor pairs. An epoch has as many
    full batches as the photos fill.

    Args:
        labels: the label of each row, shape [N].
        batch_size: photos per batch, two per pair.
        seed: determines the pairs.

    Raises:
        InputError: no identity has two photos, or there is only one identity.
    """

    def __init__(self, labels: Rows, batch_size: int, seed: int) -> None:
        self.groups = _Groups(labels)
        sizes = self.groups.sizes
        if len(sizes) < 2 or sizes.max() < 2:
            raise InputError(
                "batch.sampler: pairs need two identities, and an identity with two photos"
            )
        self.pairs = max(1, batch_size // 2)
        self.count = max(1, len(labels) // (2 * self.pairs))
        self.seed = seed
        # Cumulative counts over identities: of their genuine pairs, and of their impostor pairs.
        self.same = np.cumsum(sizes * (sizes - 1))
        self.different = np.cumsum(sizes * (len(labels) - sizes))

    def __len__(self) -> int:
        return self.count

    def batches(self, epoch: int, start: int = 0) -> Iterator[Rows]:
        """The rows of each batch, shape [2·pairs]."""
        sizes, starts, order = self.groups.sizes, self.groups.starts, self.groups.order
        same = self.pairs - self.pairs // 2
        for number in range(start, self.count):
            random = np.random.default_rng([self.seed, epoch, number])
            one = _identities(self.same, same, random)
            first = random.integers(sizes[one])
            second = random.integers(sizes[one] - 1)
            second += second >= first
            other = _identities(self.different, self.pairs - same, random)
            left = starts[other] + random.integers(sizes[other])
            right = random.integers(len(order) - sizes[other])
            right += (right >= starts[other]) * sizes[other]
            pairs = np.stack([
                np.concatenate([starts[one] + first, left]),
                np.concatenate([starts[one] + second, right]),
            ], axis=1)  # fmt: skip
            yield order[pairs.reshape(-1)]


class _Groups:
    """The rows of each identity as slices of one array, which is compact for many identities."""

    def __init__(self, labels: Rows) -> None:
        self.order = np.argsort(labels, kind="stable")
        self.starts = np.flatnonzero(np.diff(labels[self.order], prepend=-1))
        self.sizes = np.diff(self.starts, append=len(labels))

    def __len__(self) -> int:
        return len(self.starts)

    def rows(self, identity: int) -> Rows:
        begin = self.starts[identity]
        return self.order[begin : begin + self.sizes[identity]]


def _identities(ends: Rows, count: int, random: np.random.Generator) -> Rows:
    """``count`` identities, drawn with the probabilities whose cumulative weights are ``ends``."""
    return np.searchsorted(ends, random.integers(ends[-1], size=count), side="right")


class EpochSampler:
    """A batch sampler for ``torch.utils.data.DataLoader`` that can start at any batch of an epoch.

    Its whole state is the epoch and the batch number. Each photo gets the seed of its augmentation,
    derived from the run's seed, the epoch and its position: the pixels do not depend on the worker
    process, on a restart, or on the world size.

    Args:
        plan: the batches of each epoch.
        seed: the run's seed.
        rank: the rank of this process.
        processes: the world size; each rank gets a contiguous part of every batch.

    Raises:
        InputError: a batch has fewer photos than there are ranks.
    """

    def __init__(self, plan: BatchPlan, seed: int, *, rank: int = 0, processes: int = 1) -> None:
        self.plan = plan
        self.seed = seed
        self.rank, self.processes = rank, processes
        self.start_at(0, 0)

    def start_at(self, epoch: int, batch: int) -> None:
        """Start the next iteration at this batch of this epoch."""
        self.epoch, self.batch = epoch, batch

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[list[Draw]]:
        return self.draws(self.epoch, self.batch)

    def draws(self, epoch: int, batch: int) -> Iterator[list[Draw]]:
        """The batches of ``epoch`` from ``batch`` on."""
        for number, rows in enumerate(self.plan.batches(epoch, batch), batch):
            if len(rows) < self.processes:
                raise InputError(
                    f"batch: {len(rows)} photos for {self.processes} processes; each needs one"
                )
            seeds = np.random.default_rng([self.seed, epoch, number, 1]).integers(
                2**62, size=len(rows)
            )
            own = np.array_split(np.arange(len(rows)), self.processes)[self.rank]
            yield list(zip(rows[own].tolist(), seeds[own].tolist(), strict=True))


class RunSampler:
    """The batches of a run, epoch after epoch, from the place of its ``EpochSampler`` to its end.

    A loader that stopped at the end of each epoch would begin the next one with no batch ready.

    Args:
        sampler: of the epochs.
        steps: the batches of the run.
    """

    def __init__(self, sampler: EpochSampler, steps: int) -> None:
        self.sampler = sampler
        self.steps = steps

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, batch = self.sampler.epoch, self.sampler.batch
        while (left := self.steps - epoch * len(self.sampler) - batch) > 0:
            yield from islice(self.sampler.draws(epoch, batch), left)
            epoch, batch = epoch + 1, 0
