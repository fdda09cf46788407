"""Each loss as it is pictured: the usual scales and margins are too large for a circle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from likewise.errors import one_of
from likewise.lab.figures.decision import anchors
from likewise.losses import Center, Softmax, Sum, create_loss

__all__ = ["MAIN", "SETTINGS", "Setting", "setting_of"]

CENTER_WEIGHT = 0.1


@dataclass(frozen=True)
class Setting:
    """A loss with its parameters, how it learns, and what a picture of it says.

    Args:
        name: as in ``list_losses()``.
        title: as people call it.
        says: what it does, in a line.
        params: of its constructor; the others are its defaults.
        knobs: ``params`` as a picture writes them.
        lr: of the network.
        loss_lr: of the class weights.
        spread: begin with class weights spread evenly over the circle. A loss that decides each
            class by itself pushes away before it pulls: from weights that begin at one spot it
            would drive all classes to another.
    """

    name: str
    title: str
    says: str
    params: Mapping[str, Any] = field(default_factory=dict)
    knobs: str = ""
    lr: float = 1e-3
    loss_lr: float = 1e-2
    spread: bool = False

    def create(self, *, num_classes: int, embedding_dim: int) -> nn.Module:
        """The loss, drawn anew; the centre loss together with the softmax that it needs."""
        if self.name == "center":
            center = Center(num_classes=num_classes, embedding_dim=embedding_dim)
            return Sum(Softmax(num_classes, embedding_dim, bias=False), CENTER_WEIGHT * center)
        loss = create_loss(
            self.name, num_classes=num_classes, embedding_dim=embedding_dim, **self.params
        )
        if self.spread and (learned := anchors(loss)) is not None:
            _spread_evenly(learned[1])
        return loss


def setting_of(name: str) -> Setting:
    """The setting of a loss.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    return SETTINGS[one_of("loss", name, SETTINGS)]


def _spread_evenly(weights: Tensor) -> None:
    """Make unit rows: on a circle in equal steps, in space in their own directions."""
    if weights.shape[1] == 2:
        angles = torch.arange(len(weights)) * (2 * math.pi / len(weights))
        weights.copy_(torch.stack((angles.cos(), angles.sin()), dim=1))
    else:
        weights.copy_(nn.functional.normalize(weights, dim=1))


_MILD = {"base": 10.0, "gamma": 0.02, "power": 1.0, "minimum": 0.0}  # λ: from 10 to 0.8

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("softmax", "Softmax", "Long is as good as tight: classes fill their sectors and "
                "touch.", {"bias": False}, "no bias, no margin"),
        Setting("center", "Softmax + centre loss", "Each sample is drawn to its centre: "
                "compact blobs.", knobs="weight 0.1, α = 0.5"),
        Setting("normalized_softmax", "Normalized softmax", "Only directions count; but nothing "
                "asks for a gap.", {"scale": 16.0}, "s = 16"),
        Setting("lsoftmax", "L-Softmax", "The angle to the own class counts twice; weights keep "
                "their length.", {"margin": 2, **_MILD}, "m = 2, λ from 10 to 0.8"),
        Setting("sphereface", "SphereFace", "The angle to the own class counts three times.",
                {"margin": 3, **_MILD}, "m = 3, λ from 10 to 0.8"),
        Setting("cosface", "CosFace", "A margin taken off the cosine.",
                {"scale": 16.0, "margin": 0.2}, "s = 16, m = 0.2"),
        Setting("arcface", "ArcFace", "A margin added to the angle: the same gap everywhere.",
                {"scale": 16.0, "margin": 0.3}, "s = 16, m = 0.3 (17°)"),
        Setting("airface", "AirFace", "Logits that are straight lines in the angle, and a margin "
                "added to it.", {"scale": 10.0, "margin": 0.3}, "s = 10, m = 0.3 (17°)"),
        Setting("adaface", "AdaFace", "Good photos get their margin off the cosine, bad ones on "
                "the angle.", {"scale": 16.0, "margin": 0.2, "rate": 0.05}, "s = 16, m = 0.2"),
        Setting("combined", "Combined margin", "A bit on the angle, a bit off the cosine.",
                {"scale": 16.0, "m1": 1.0, "m2": 0.15, "m3": 0.1}, "s = 16, m₂ = 0.15, m₃ = 0.1"),
        Setting("curricularface", "CurricularFace", "Hard classes count little at first, more as "
                "training succeeds.", {"scale": 16.0, "margin": 0.3}, "s = 16, m = 0.3 (17°)",
                loss_lr=1e-3, spread=True),
        Setting("magface", "MagFace", "Longer embeddings get a larger margin, and are drawn to be "
                "long.", {"scale": 16.0, "margin_low": 0.2, "margin_high": 0.4, "norm_low": 0.2,
                "norm_high": 4.0, "regularization": 0.1}, "s = 16, m = 0.2…0.4 over ‖z‖ = 0.2…4"),
        Setting("sphereface2", "SphereFace2", "One yes-or-no decision a class, each with its "
                "margin.", {"scale": 6.0, "margin": 0.1}, "r = 6, m = 0.1, λ = 0.7",
                loss_lr=1e-3, spread=True),
        Setting("subcenter_arcface", "Sub-centre ArcFace", "Two weights a class, the nearer one "
                "counts.", {"scale": 16.0, "margin": 0.3, "subcenters": 2},
                "s = 16, m = 0.3 (17°), K = 2"),
        Setting("uniface", "UniFace", "One threshold parts all same pairs from all different ones.",
                {"scale": 5.0, "margin": 0.05}, "s = 5, m = 0.05"),
        Setting("contrastive", "Contrastive", "Same pairs together, different ones at least the "
                "margin apart.", {"margin": 0.75}, "m = 0.75"),
        Setting("triplet", "Triplet", "Each positive nearer than each negative, by the margin.",
                knobs="batch-all, m = 0.2"),
        Setting("multi_similarity", "Multi-similarity", "Soft sums over the pairs that matter.",
                {"base": 0.85}, "α = 2, β = 50, λ = 0.85"),
        Setting("circle", "Circle", "Each similarity pulls as hard as it is far from its optimum.",
                {"margin": 0.6, "gamma": 16.0}, "m = 0.6, γ = 16"),
        Setting("ntxent", "NT-Xent", "Each positive against all negatives of its anchor.",
                {"temperature": 0.1}, "τ = 0.1"),
        Setting("supcon", "SupCon", "Each positive against all other samples.",
                {"temperature": 0.1}, "τ = 0.1"),
        Setting("prototype_memory", "Prototype memory", "CosFace against the mean of each class "
                "in the batch.", {"scale": 16.0, "margin": 0.2}, "CosFace, s = 16, m = 0.2"),
        Setting("proxy_nca", "Proxy-NCA", "Samples against one learned point a class.",
                {"scale": 8.0}, "scale 8", loss_lr=1e-3, spread=True),
        Setting("proxy_anchor", "Proxy-Anchor", "Each proxy pulls its farthest and pushes its "
                "nearest.", {"alpha": 4.0}, "α = 4, δ = 0.1", loss_lr=3e-4, spread=True),
        Setting("siamese_classifier", "Siamese classifier", "Same or different, from Σ|Δz|: "
                "lengths count, a class may sit at the origin.", knobs="all pairs"),
    )
}  # fmt: skip
MAIN = (
    "softmax", "center", "normalized_softmax", "lsoftmax",
    "sphereface", "cosface", "arcface", "airface",
)  # fmt: skip
