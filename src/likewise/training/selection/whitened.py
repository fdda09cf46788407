"""Adapt a trained network to new photos without training it: its last layer whitened (WCCN)."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["whitened"]

Floats = NDArray[np.float32]
CLOSE = 1e-3  # of the typical length: the folded layer computes the map
FEWEST = 2  # photos of a person that say how one person's photos vary


def whitened(
    module: nn.Module, inputs: Tensor, vectors: Floats, labels: NDArray[np.int64], shrinkage: float
) -> nn.Module | None:
    """A copy of a network whose embeddings vary alike in all directions within an identity.

    ``y = W^(-1/2) (x - m)`` with the mean m and the covariance W within identities of the training
    photos (WCCN), folded into the last layer: the copy is as fast as the original.

    Args:
        module: in evaluation mode, float32 [B,C,H,W] → [B,D].
        inputs: a few of its inputs [b,C,H,W], to check the copy on.
        vectors: its embeddings of the training photos [N,D], not normalised.
        labels: of these photos, [N].
        shrinkage: shrinks W towards a multiple of the identity; 1: only the mean is subtracted.

    Returns:
        None if nobody has two photos, or the network does not end with a linear layer.

    Source: Hatch, Kajarekar & Stolcke, Within-class covariance normalization for SVM-based speaker
        recognition, Interspeech 2006.
    """
    if (np.bincount(labels) < FEWEST).all():
        return None
    from likewise.metriclearn import WithinClassWhitening  # scikit-learn takes a second to import

    wccn = WithinClassWhitening(weighting="classes", shrinkage=shrinkage)
    wccn.fit(vectors, labels)
    scale = 1 / np.linalg.norm(wccn.components_, 2)  # lengths stay about as they were
    factor = torch.from_numpy(wccn.components_ * scale)
    mean = torch.from_numpy(wccn.mean_)
    made = copy.deepcopy(module)
    device = inputs.device
    with torch.no_grad():
        before = module(inputs).cpu().double()
        if not _fold(made.cpu(), factor, mean):
            return None
        after = made.to(device)(inputs).cpu().double()
    expected = (before - mean) @ factor.T
    return made if (after - expected).norm() < CLOSE * expected.norm() else None


@torch.no_grad()
def _fold(module: nn.Module, factor: Tensor, mean: Tensor) -> bool:
    """Replace the last linear layer, and the normalisation after it, by their product with a map.

    The map is ``factor (x - mean)``. False if the network does not end so.
    """
    last = [part for part in module.modules() if isinstance(part, nn.Linear | nn.BatchNorm1d)]
    norm = last.pop() if last and isinstance(last[-1], nn.BatchNorm1d) else None
    linear = last.pop() if last and isinstance(last[-1], nn.Linear) else None
    if not isinstance(linear, nn.Linear) or linear.out_features != len(mean):
        return False
    weight = linear.weight.double()
    offset = torch.zeros_like(mean) if linear.bias is None else linear.bias.double()
    if isinstance(norm, nn.BatchNorm1d):
        if norm.running_mean is None or norm.running_var is None:
            return False
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.affine:
            gain = gain * norm.weight.double()
        offset = gain * (offset - norm.running_mean.double())
        if norm.affine:
            offset = offset + norm.bias.double()
        weight = gain[:, None] * weight
    weight, offset = factor @ weight, factor @ (offset - mean)
    linear.weight.copy_(weight)
    if linear.bias is not None:
        linear.bias.copy_(offset)
    elif norm is None:
        return False  # nowhere to put the mean
    if isinstance(norm, nn.BatchNorm1d):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_var.fill_(1 - norm.eps)
        norm.running_mean.copy_(-offset if linear.bias is None else torch.zeros_like(offset))
        if norm.affine:
            norm.weight.fill_(1)
            norm.bias.zero_()
    return True
