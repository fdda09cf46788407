"""EMA: an exponential moving average of the weights, for evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """The EMA ``average ← decay·average + (1 - decay)·weights``, buffers included.

    In the first steps the decay is smaller, ``(1 + step) / (10 + step)``, so that the initial
    weights soon lose their influence (as in TensorFlow's ``ExponentialMovingAverage``).

    Args:
        module: the network in training.
        decay: in [0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.weights = {name: t.detach().clone() for name, t in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Update the average with the weights of ``module``."""
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, tensor in module.state_dict().items():
            if tensor.dtype.is_floating_point:
                self.weights[name].lerp_(tensor, share)
            else:  # integers, such as the number of batches that a normalisation has seen
                self.weights[name].copy_(tensor)

    def state(self) -> dict[str, Tensor]:
        """The tensors for a checkpoint."""
        return {**self.weights, "steps": torch.tensor(self.steps)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Load what ``state`` returned."""
        self.steps = int(state["steps"])
        for name, tensor in self.weights.items():
            tensor.copy_(state[name])
