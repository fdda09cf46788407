"""The sums of an epoch: its losses and hits, read from the device only now and then."""

from __future__ import annotations

import torch
from torch import Tensor

from likewise.training.checkpoints.state import TrainingState

__all__ = ["EpochSums"]

AT_ONCE = 20  # steps: reading a number from a GPU waits for it


class EpochSums:
    """Collects the results of steps, and adds them to ``state.sums``.

    Args:
        state: of the training.
        device: of the results.
    """

    def __init__(self, state: TrainingState, device: torch.device) -> None:
        self.state = state
        self.most = 1 if device.type == "cpu" else AT_ONCE
        self._pending: list[tuple[Tensor, Tensor, int]] = []

    def add(self, loss: Tensor, hits: Tensor, photos: int) -> None:
        """Add a step: its loss [], whether each photo was classified correctly, and how many."""
        self._pending.append((loss, hits, photos))
        if len(self._pending) >= self.most:
            self.settle()

    def settle(self) -> None:
        """Read the results of the last steps."""
        for value, hits, count in self._pending:
            new = (float(value) * count, float(hits.sum()), float(count))
            self.state.sums = [a + b for a, b in zip(self.state.sums, new, strict=True)]
        self._pending.clear()

    def report(self, *, accuracy: bool) -> dict[str, float]:
        """The mean loss, and the accuracy where the loss has classes; the next epoch begins at 0.

        Args:
            accuracy: whether it is known: by the nearest class, without the margin.
        """
        loss, right, count = self.state.sums
        self.state.sums = [0.0, 0.0, 0.0]
        found = {"train/loss": loss / max(1.0, count)}
        return found | ({"train/accuracy": right / max(1.0, count)} if accuracy else {})
