"""Running statistics of batch normalisation, computed anew for the weights that are evaluated.

In training a running mean follows the batches with a momentum. After a few steps it still holds
part of what it began with (0, and 1 for the variance), and it lags behind weights that move fast:
a network that tells people apart in training may answer all photos alike in evaluation. So the
statistics are taken anew, for the weights as they are, averaged weights too.

Source: Wu and Johnson, Rethinking "Batch" in BatchNorm, arXiv 2105.07576, 2021 (precise batch
normalisation); ``torch.optim.swa_utils.update_bn`` does the same for averaged weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels

__all__ = ["NormStatistics", "recompute_statistics", "running_norms"]

BatchNorm = nn.modules.batchnorm._BatchNorm
PHOTOS = 1_024  # a channel's mean is known to 3 % of its deviation from so many independent values
BATCH = 128
MOST_BYTES = 2**28  # of their pixels, which are kept


def running_norms(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The batch normalisations that keep running statistics, with their names."""
    return [
        (name, part)
        for name, part in module.named_modules()
        if isinstance(part, BatchNorm) and part.running_mean is not None
    ]


@torch.no_grad()
def recompute_statistics(
    module: nn.Module, names: Sequence[str], pixels: Tensor, preprocess: Preprocess
) -> None:
    """Replace running means and variances by the plain averages over batches of photos, in place.

    All else of the module is in evaluation mode meanwhile: dropout drops nothing, and no random
    number is drawn. Fewer than two photos say nothing of a variance: then all stays as it was.

    Args:
        module: the network, in evaluation mode.
        names: of its batch normalisations to do this for; the others stay as they are.
        pixels: uint8 [N,C,H,W].
        preprocess: from pixels to the network's input.
    """
    norms = [part for name in names if isinstance(part := module.get_submodule(name), BatchNorm)]
    if not norms or len(pixels) < 2:
        return
    device = next(module.parameters()).device
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
        norm.num_batches_tracked = torch.zeros((), dtype=torch.int64, device=device)
        norm.train()
    # Parts of nearly one size: each batch counts the same, so none may be a small rest.
    for part in torch.tensor_split(pixels, max(1, round(len(pixels) / BATCH))):
        module(preprocess.normalise(part.to(device)))
    for norm, (momentum, seen) in zip(norms, before, strict=True):
        norm.momentum, norm.num_batches_tracked = momentum, seen
        norm.eval()


class NormStatistics:
    """Recomputes statistics on a sample of the training photos: the same ones at each epoch.

    Photos are taken as they are, not augmented: so evaluation will see them.

    Args:
        manifest: the training photos.
        pixels: uint8 [N,C,H,W], if they are kept in memory; else the sample is read once.
        preprocess: from photos to the network's input.
        seed: draws the sample.
    """

    def __init__(
        self, manifest: Manifest, pixels: Tensor | None, preprocess: Preprocess, seed: int
    ) -> None:
        self.manifest, self.pixels, self.preprocess = manifest, pixels, preprocess
        each = preprocess.channels * preprocess.height * preprocess.width
        most = max(2, min(PHOTOS, MOST_BYTES // each))
        drawn = torch.randperm(len(manifest), generator=torch.Generator().manual_seed(seed))
        self.rows = drawn[:most]
        self._sample: Tensor | None = None

    @property
    def sample(self) -> Tensor:
        """The pixels of the photos that are used, uint8 [M,C,H,W]; broken photos are left out."""
        if self.pixels is not None:
            return self.pixels[self.rows]
        if self._sample is None:
            photos = self.manifest.take(self.rows.numpy()).photos()
            read = read_pixels(photos, self.preprocess)
            good = [pixels for pixels in read if not isinstance(pixels, BadImage)]
            size = (self.preprocess.channels, self.preprocess.height, self.preprocess.width)
            self._sample = torch.stack(good) if good else torch.empty(0, *size, dtype=torch.uint8)
        return self._sample

    def recompute(self, module: nn.Module, names: Sequence[str]) -> None:
        """Do it for the normalisations of these names; see ``recompute_statistics``."""
        if names:
            recompute_statistics(module, names, self.sample, self.preprocess)
