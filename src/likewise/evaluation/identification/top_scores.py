"""The highest scores of very many, without keeping the rest: what a threshold at a FAR needs."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["TopScores"]


class TopScores:
    """Keeps the ``most`` highest of all the scores that it is shown.

    Args:
        most: how many; memory is a few times this, and one tile.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = torch.empty(0)
        self.parts: list[Tensor] = []
        self.waiting = 0
        self.least = -math.inf  # nothing below is among the highest

    def add(self, scores: Tensor) -> None:
        """Look at scores of any shape."""
        found = scores[scores >= self.least] if self.least > -math.inf else scores.flatten().clone()
        self.parts.append(found)
        self.waiting += len(found)
        if self.waiting > self.most:
            self._trim()

    def above(self, accepted: int) -> float:
        """The lowest float32 threshold that at most ``accepted`` of all scores reach.

        Scores that tie reach it together, so fewer may. ``accepted`` is below ``most``.
        """
        self._trim()
        if len(self.kept) <= accepted:
            return -math.inf
        refused = np.float32(self.kept[accepted].item())
        return float(np.nextafter(refused, np.float32(np.inf)))

    def _trim(self) -> None:
        everything = torch.cat([self.kept, *self.parts])
        self.parts, self.waiting = [], 0
        self.kept = everything.topk(min(self.most, len(everything))).values
        if len(self.kept) == self.most:
            self.least = self.kept[-1].item()
