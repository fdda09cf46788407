"""Center loss: samples are pulled to the centre of their class."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from likewise.arguments import check_count, check_number, one_of
from likewise.losses.all_gather import all_gather, is_whole_batch
from likewise.losses.checks import check_batch
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.row_backup import RowBackup
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace

__all__ = ["Center"]


@register_loss(
    "center",
    search_space=SearchSpace(
        (Hyperparameter("weight", 3e-4, 3e-2, log=True),), loss="softmax + {weight}*center"
    ),
    figure=FigureSettings(
        "Softmax + centre loss",
        "Each sample is drawn to the centre of its class: compact clusters.",
        {"bias": False},
        "weight 0.1, α = 0.5",
        loss="0.1*center + softmax",
    ),
)
class Center(EmbeddingLoss):
    """``½‖z - c_y‖²``, averaged over the batch: ``1/(2B)·Σ_i ‖z_i - c_{y_i}‖²``.

    It only pulls, so it is added to a loss that separates: ``Sum(ce, 0.003 * Center(…))``. (The
    paper sums both losses over the batch, here both are averaged; its weight 0.003 is the same.)
    The centres [C, D] are a parameter, updated in one of two ways:

    * ``update="paper"``: after each batch in training, ``c_j ← c_j - α·Σ_i (c_j - z_i)/(1 + n_j)``
      over the n_j samples of class j in it. The centres have no gradient, so the optimizer does
      not change them. In a process group the batch is that of all ranks, which must call the loss
      together.
    * ``update="gradient"``: by the optimizer, with the gradient of the loss.

    Source: Wen et al., A discriminative feature learning approach for deep face recognition,
    ECCV 2016.

    Args:
        num_classes: C.
        embedding_dim: D.
        update: ``"paper"`` or ``"gradient"``.
        alpha: α, the step size of the paper's update, from 0 to 1.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of a sample is ``½‖z - c_y‖²``.
            Weights do not change the paper's update of the centres.

    Inputs: embeddings [B, D], not normalised; labels int64 [B], from 0 to C-1.

    Example:
        >>> import torch
        >>> from likewise.losses import Center
        >>> loss = Center(num_classes=2, embedding_dim=2)
        >>> _ = torch.nn.init.zeros_(loss.centers)
        >>> loss(torch.tensor([[3.0, 4.0]]), torch.tensor([1]))
        tensor(12.5000)
        >>> loss.centers.tolist()
        [[0.0, 0.0], [0.75, 1.0]]
    """

    needs_pairs = False
    compares_samples = False

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        update: Literal["paper", "gradient"] = "paper",
        alpha: float = 0.5,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        check_count("num_classes", num_classes)
        check_count("embedding_dim", embedding_dim)
        self.update = one_of("update", update, ("paper", "gradient"))
        self.alpha = check_number("alpha", alpha, least=0, most=1)
        self.centers = nn.Parameter(
            torch.randn(num_classes, embedding_dim), requires_grad=update == "gradient"
        )
        self.row_backup = RowBackup("centers")

    def extra_repr(self) -> str:
        """Show the arguments."""
        return f"centers={list(self.centers.shape)}, update={self.update}, alpha={self.alpha:g}"

    def compute(self, anchors: Tensor, _samples: Tensor, labels: Tensor) -> Tensor:
        """Compare each sample with its centre, then update the centres."""
        labels = labels[: len(anchors)]
        check_batch("Center", anchors, labels, self.centers, len(self.centers))
        difference = anchors - self.centers[labels].to(anchors)
        losses = difference.square().sum(dim=1) / 2
        if self.update == "paper" and self.training and torch.is_grad_enabled():
            self._update(difference.detach(), labels)
        return losses

    @torch.no_grad()
    def _update(self, difference: Tensor, labels: Tensor) -> None:
        """Update the centres of the classes in the batch; ``difference`` [B, D] is ``z - c_y``."""
        if not is_whole_batch():  # the centres of the ranks must stay the same
            difference, labels = all_gather(difference), all_gather(labels)
        present, of, counts = labels.unique(return_inverse=True, return_counts=True)
        pull = difference.new_zeros(len(present), difference.shape[1])
        pull.index_add_(0, of, difference)
        steps = self.alpha * pull / (1 + counts).unsqueeze(1)
        self.row_backup.save(self.centers, present)
        self.centers.index_add_(0, present, steps.to(self.centers))
