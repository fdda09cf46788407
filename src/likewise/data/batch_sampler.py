"""Batches of P identities × K photos for a ``DataLoader`` of your own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from torch.utils.data import Sampler

from likewise.arguments import check_count
from likewise.data.labels import checked_labels
from likewise.data.sampler import BalancedBatches
from likewise.errors import InputError

__all__ = ["PKSampler"]


class PKSampler(Sampler[list[int]]):
    """A ``batch_sampler`` that gives P identities × K photos in each batch.

    So every photo has photos of the same identity and of others to be compared with, as losses on
    pairs and triplets need. These are the batches of ``batch.sampler: balanced`` in a recipe: the
    identities come in shuffled rounds, each once per round; one with fewer than K photos repeats
    some of them; an epoch has as many full batches as the photos fill.

    The batches depend on the arguments and the epoch alone: not on the global random state, the
    workers of the loader, or what was drawn before. Each iteration is one epoch, and the next one
    goes on with the epoch after it; ``set_epoch`` takes another one, as for a resumed run.

    Args:
        labels: the identity of each photo of the dataset, [N]: names or numbers.
        identities: P, the identities per batch; all of them, if there are fewer.
        images: K, the photos per identity.
        seed: determines the batches.
        by_photos: draw identities in proportion to their photos less one, at most 20, instead of
            equally; those with a single photo are then left out.
        rank: of this process; each gets a part of every batch, whole identities where P can be
            divided by the number of processes.
        processes: that train together.

    Raises:
        InputError: a label is missing, there are fewer than two identities, or a number is out of
            range.

    Source: Hermans, Beyer and Leibe, In defense of the triplet loss for person re-identification,
        arXiv 1703.07737, 2017.

    Example:
        >>> import torch
        >>> from likewise.data.batch_sampler import PKSampler
        >>> labels = ["anna", "anna", "bob", "bob", "bob", "carl", "carl"]
        >>> sampler = PKSampler(labels, identities=2, images=2)
        >>> loader = torch.utils.data.DataLoader(range(7), batch_sampler=sampler)
        >>> [len({labels[row] for row in batch.tolist()}) for batch in loader]
        [2]
    """

    def __init__(
        self,
        labels: ArrayLike,
        identities: int = 16,
        images: int = 4,
        *,
        seed: int = 0,
        by_photos: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        check_count("identities", identities, least=2)
        check_count("images", images)
        check_count("seed", seed, least=0)
        check_count("processes", processes)
        check_count("rank", rank, least=0, most=processes - 1)
        checked = checked_labels(labels, "labels")
        if checked.ndim != 1 or not len(checked):
            raise InputError(
                f"labels: shape {list(checked.shape)}; must be [N], one for each photo"
            )
        _, codes = np.unique(checked, return_inverse=True)
        if codes.max() == 0:
            raise InputError("labels: only one identity; a batch needs two or more")
        self.plan = BalancedBatches(codes, identities, images, seed, by_photos=by_photos)
        self.rank, self.processes = rank, processes
        self.epoch = 0
        if self.plan.identities * images < processes:
            raise InputError(
                f"processes: {processes} for batches of {self.plan.identities * images} photos; "
                "each needs one: raise identities"
            )

    def set_epoch(self, epoch: int) -> None:
        """Give the batches of this epoch in the next iteration."""
        self.epoch = check_count("epoch", epoch, least=0)

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        for rows in self.plan.batches(epoch):
            yield np.array_split(rows, self.processes)[self.rank].tolist()
