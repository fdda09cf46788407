"""Draws with chosen numbers, so that a test knows what was drawn."""

from __future__ import annotations

import numpy as np

from likewise.data.augmentation.random_numbers import Draws, Floats

__all__ = ["FixedDraws"]


class FixedDraws(Draws):
    """The number at each of these places for all photos; 0.5 elsewhere: the middle of a range."""

    def __init__(self, count: int, places: dict[int, float]) -> None:
        super().__init__(np.arange(count))
        self.places = places

    def uniforms(self, first: int, count: int) -> Floats:
        numbers = [self.places.get(place, 0.5) for place in range(first, first + count)]
        return np.tile(numbers, (len(self.states), 1))
