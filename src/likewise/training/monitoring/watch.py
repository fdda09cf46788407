"""Warnings about a run that fails to learn: dead classes, collapsed embeddings, and others."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from likewise.losses.registry import has_classes, takes
from likewise.machine import finest_float
from likewise.training.distributed.processes import Processes

__all__ = ["Watch"]

log = logging.getLogger(__name__)
COLLAPSED = 0.99  # mean cosine between the embeddings of a batch
ANCHORS = 256  # rows of a batch that are compared, where the loss has no class weights
COUNTS = ("seen", "hit", "sums", "pairs")  # of the current epoch
DEAD_SHARE = 0.01  # of the classes
WITHOUT_PAIR = 0.1  # of the batches


class Watch:
    """Counts in every step, at almost no cost, and warns at the end of an epoch.

    Each of these warnings is given once:

    - **Dead classes**: for ``epochs`` epochs in a row after the warm-up, no photo of the class was
      nearest to its class weights. Given for 1 % of the classes or more.
    - **Never sampled**: identities without a photo in any batch of the first ``epochs`` epochs.
    - **Collapsed embeddings**: the mean cosine of the batches of an epoch is above 0.99.
    - **Nothing learned**: after the warm-up, accuracy is at chance level, within two standard
      deviations. A photo is correct if its class is the nearest one or, for a loss without class
      weights, if its nearest neighbor in the batch has its identity.
    - **No pairs**: the loss compares photos with each other, and more than a tenth of the batches
      of an epoch had no two photos of one identity.

    Args:
        names: of the C identities.
        epochs: before a class counts as dead, or an identity as never sampled.
        warmup_epochs: of the learning rate or of the margin, whichever is longer.
        processes: the process group.
        device: of the batches.
        loss: its name; warnings name the settings that it has.
        draws_all: whether every identity is meant to be in some batch of an epoch.
    """

    def __init__(
        self,
        names: Sequence[str],
        epochs: int,
        warmup_epochs: float,
        processes: Processes,
        device: torch.device,
        loss: str = "softmax",
        *,
        draws_all: bool = True,
    ) -> None:
        self.loss, self.draws_all = loss, draws_all
        self.names = names
        self.epochs = epochs
        self.warmup_epochs = warmup_epochs
        self.processes = processes
        classes = len(names)
        self.seen = torch.zeros(classes, dtype=torch.int32, device=device)  # this epoch
        self.hit = torch.zeros_like(self.seen)
        self.ever = torch.zeros(classes, dtype=torch.bool, device=device)
        self.silent = torch.zeros(classes, dtype=torch.int16, device=device)  # epochs in a row
        # This epoch: correct photos, those expected by chance, their variance, mean cosine, steps.
        self.sums = torch.zeros(5, dtype=finest_float(device), device=device)
        # This epoch: batches whose photos are compared with each other, and those without a pair.
        self.pairs = torch.zeros(2, dtype=torch.int32, device=device)
        self.has_hits = False
        self.watched = 0  # epochs
        self.given: set[str] = set()

    @torch.no_grad()
    def step(
        self,
        embeddings: Tensor,
        labels: Tensor,
        hits: Tensor | None,
        compared: int | None = None,
        paired: Tensor | None = None,
    ) -> None:
        """Add a batch to the counts.

        Args:
            embeddings: [B, D].
            labels: [B].
            hits: whether the nearest class is the right one, [B] bool, where the loss has classes.
            compared: the number of classes that took part; None: all.
            paired: whether the batch of all ranks had two photos of one class, [] bool, where the
                loss compares photos.
        """
        labels = labels.to(self.seen.device)
        self.seen.index_add_(0, labels, torch.ones_like(labels, dtype=torch.int32))
        unit = torch.nn.functional.normalize(embeddings.detach().float(), dim=1)
        if hits is not None and len(hits) == len(labels):
            self.has_hits = True
            self.hit.index_add_(0, labels, hits.to(torch.int32))
            share = 1 / (compared or len(self.seen))
            chance = torch.full((len(labels),), share, device=unit.device)
            right = hits.sum()
        else:
            right, chance = _nearest_of_own(unit, labels)
        cosine = unit.mean(dim=0).square().sum()
        variance = (chance * (1 - chance)).sum()
        if paired is not None:
            self.pairs += torch.stack([torch.ones_like(paired), ~paired]).int()
        counts = (right, chance.sum(), variance, cosine, cosine.new_ones(()))
        self.sums += torch.stack([count.to(self.sums.dtype) for count in counts])

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Warn at the end of an epoch (counted from 1); returns numbers for the log."""
        totals = self._totals()
        seen, hit = totals["seen"], totals["hit"]
        right, expected, variance, cosine, steps = totals["sums"].tolist()
        self.watched += 1
        self.ever |= seen > 0
        numbers = {"train/mean_cosine": cosine / max(1.0, steps)}
        settled = epoch > self.warmup_epochs
        if settled and numbers["train/mean_cosine"] > COLLAPSED:
            self._warn(
                "alike",
                "the embeddings of different identities are nearly the same (mean cosine "
                f"{numbers['train/mean_cosine']:.3f}): the network has collapsed. Try a lower "
                f"optimizer.lr, {self._settings(mining='easier triplets (loss.miner)')}or a loss "
                "with class weights first",
            )
        if settled and variance > 0 and right <= expected + 2 * math.sqrt(variance):
            self._warn(
                "nothing",
                f"nothing is learned: {right:,.0f} photos are classified correctly, chance alone "
                f"gives {expected:,.0f}. Try a tenth or ten times optimizer.lr, "
                f"{self._warmup()}{self._settings(scale='loss.scale=auto')}and check the labels: "
                "likewise data inspect",
            )
        self._pairs(numbers, totals["pairs"])
        if self.watched == self.epochs and self.draws_all:
            self._never(~self.ever)
        if self.has_hits and settled:
            self.silent = torch.where((seen > 0) & (hit == 0), self.silent + 1, 0).short()
            dead = self.silent >= self.epochs
            numbers["train/dead_classes"] = float(dead.sum())
            self._dead(dead)
        for name in COUNTS:
            getattr(self, name).zero_()
        return numbers

    def state(self) -> dict[str, Tensor]:
        """The tensors for a checkpoint; counts are summed over all ranks."""
        past = {"ever": self.ever, "silent": self.silent, "watched": torch.tensor(self.watched)}
        return {**self._totals(), **past, "has_hits": torch.tensor(self.has_hits)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Load what ``state`` returned; rank 0 continues the counts of all ranks."""
        for name in (*COUNTS, "ever", "silent"):
            if name in COUNTS and not self.processes.is_rank_zero:
                getattr(self, name).zero_()
            elif name in state:  # older checkpoints have no counts of pairs
                getattr(self, name).copy_(state[name])
        self.watched, self.has_hits = int(state["watched"]), bool(state["has_hits"])

    def _totals(self) -> dict[str, Tensor]:
        """The counts of this epoch, summed over all ranks."""
        return {name: self.processes.sum_tensor(getattr(self, name).clone()) for name in COUNTS}

    def _pairs(self, numbers: dict[str, float], pairs: Tensor) -> None:
        batches, without = (pairs // self.processes.count).tolist()  # every rank counts every batch
        if not batches:
            return
        numbers["train/batches_without_pair"] = float(without)
        if without > WITHOUT_PAIR * batches:
            self._warn(
                "pairs",
                f"{without:,} of {batches:,} batches held no two photos of one identity, so the "
                "loss had no positive pair. Use batch.sampler=balanced, with batch.images=2 or "
                "more",
            )

    def _never(self, missing: Tensor) -> None:
        if count := int(missing.sum()):
            self._warn(
                "never",
                f"{count:,} of {len(missing):,} identities were in no batch of {self._epochs()}, "
                f"such as {self._first(missing)}. Larger batches, or fewer photos of each "
                "(batch.images), reach more of them",
            )

    def _dead(self, dead: Tensor) -> None:
        if (count := int(dead.sum())) and count >= DEAD_SHARE * len(dead):
            self._warn(
                "dead",
                f"{count:,} of {len(dead):,} classes are dead, such as {self._first(dead)}: for "
                f"{self._epochs()} none of their photos was nearest to its own class. Try "
                f"{self._settings(margin='a smaller loss.margin')}a higher optimizer.loss_lr, "
                "or check their labels",
            )

    def _warmup(self) -> str:
        """The advice on the warm-up of the margin, which only losses with class weights have."""
        advice = "schedule.margin_warmup=0.5, "
        return advice if has_classes(self.loss) and takes(self.loss, "margin") else ""

    def _settings(self, **advice: str) -> str:
        """The advice on those parameters that the loss has, each with a comma after it."""
        return "".join(f"{text}, " for name, text in advice.items() if takes(self.loss, name))

    def _epochs(self) -> str:
        return f"{self.epochs} epoch{'s' * (self.epochs > 1)}"

    def _first(self, which: Tensor) -> str:
        label = int(which.nonzero()[0])
        return self.names[label]

    def _warn(self, key: str, text: str) -> None:
        if key not in self.given:
            self.given.add(key)
            log.warning("%s", text)


def _nearest_of_own(unit: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The number of rows whose nearest neighbor has their label, and the chance of each."""
    anchors = min(ANCHORS, len(unit))
    cosine = unit[:anchors] @ unit.T
    cosine.fill_diagonal_(-2.0)
    own = labels[:anchors, None] == labels
    own.fill_diagonal_(False)
    chance = own.sum(dim=1) / max(1, len(unit) - 1)
    nearest = cosine.argmax(dim=1)
    right = own[torch.arange(anchors, device=unit.device), nearest].sum()
    return right, chance
