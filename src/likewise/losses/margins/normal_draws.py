"""Normal random numbers by seed and step: the same on every rank, device and resumed run."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from likewise.machine import finest_float

__all__ = ["NormalDraws"]

# Of SplitMix64: the step of its sequence, and the shifts and factors that scramble a number.
# Factors above 2⁶³ are written as the negative int64 with the same bits.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_ROUNDS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_LAST_SHIFT = 31
_BITS = 24  # of a uniform number: as many as float32 holds


class NormalDraws(nn.Module):
    """Draws standard normal numbers; what is drawn depends on the seed and the step alone.

    A generator of torch would have a state on each device, and differ between a CPU and a GPU. Here
    the state is two whole numbers in a buffer, so that a checkpoint continues the draws, ranks that
    count the same steps draw the same, and nothing is read from a GPU.

    The numbers are those of SplitMix64 (Steele et al., Fast splittable pseudorandom number
    generators, OOPSLA 2014), made normal in pairs by Box and Muller. They lie within ±5.9.

    Args:
        seed: from 0.

    Attributes:
        state: int64 [2]: the seed, and the number of steps drawn.

    Example:
        >>> from likewise.losses.margins.normal_draws import NormalDraws
        >>> draws, same = NormalDraws(seed=7), NormalDraws(seed=7)
        >>> (draws.draw(4) == same.draw(4)).tolist(), draws.state.tolist()
        ([True, True, True, True], [7, 1])
    """

    state: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.register_buffer("state", torch.tensor([seed, 0]))

    def draw(self, count: int) -> Tensor:
        """``count`` numbers of the next step, [count], float64 where the device has it."""
        seed, step = self.state
        key = _scrambled(_scrambled(seed) + _STEP * step)
        places = torch.arange(1, 2 * count + 1, device=self.state.device)
        bits = _shifted(_scrambled(key + _STEP * places), 64 - _BITS)
        # Each in the middle of its interval: never 0, whose logarithm is infinite.
        uniform = (bits.to(finest_float(bits.device)) + 0.5) / 2**_BITS
        self.state[1] += 1
        length = (-2 * uniform[:count].log()).sqrt()
        drawn: Tensor = length * (2 * math.pi * uniform[count:]).cos()
        return drawn


def _shifted(x: Tensor, bits: int) -> Tensor:
    """``x`` shifted right as a number without a sign: the upper bits become 0."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _scrambled(x: Tensor) -> Tensor:
    """The output of SplitMix64 for the state ``x``; products wrap around at 2⁶⁴."""
    for shift, factor in _ROUNDS:
        x = (x ^ _shifted(x, shift)) * factor
    return x ^ _shifted(x, _LAST_SHIFT)
