"""Every pair, triplet and centre loss beside its plain loop: what the tests run over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps

import torch
from torch import Tensor, nn

from likewise.distances import Cosine, Minkowski
from likewise.losses import (
    Center,
    Circle,
    Contrastive,
    MarginLoss,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    SiameseClassifier,
    SmoothAP,
    SoftTriple,
    SupCon,
    Triplet,
)
from likewise.mining import MultiSimilarityPairs
from tests.losses.pairs import reference, younger_reference

CLASSES, DIMENSION = 5, 4
Loop = Callable[[Tensor, list[int]], Tensor]


@dataclass
class Case:
    """``make`` gives the loss, ``loop`` the same on (z, y), with the loss's own parameters."""

    name: str
    make: Callable[[], nn.Module]
    loop: Callable[..., Tensor]
    weights: tuple[str, ...] = ()
    """Names of the parameters, in the loss and as arguments of the loop."""

    def __str__(self) -> str:
        return self.name

    def reference(self, loss: nn.Module, z: Tensor, y: list[int], **more: object) -> Tensor:
        return self.loop(z, y, **{name: getattr(loss, name) for name in self.weights}, **more)


def on_sphere(loop: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(loop)
    def run(z: Tensor, y: list[int], **arguments: object) -> Tensor:
        return loop(torch.stack([reference.unit(row) for row in z]), y, **arguments)

    return run


def squared(x: Tensor, y: Tensor) -> Tensor:
    return reference.euclidean(x, y) ** 2


def one_minus_cosine(x: Tensor, y: Tensor) -> Tensor:
    return 1 - reference.cosine(x, y)


def triplets(mining: str, margin: float | None, **arguments: object) -> Case:
    name = f"triplet-{mining}-{'soft' if margin is None else margin}"
    d = {True: squared, False: reference.euclidean}[bool(arguments.get("squared"))]
    loop = partial(reference.triplet, margin=margin, mining=mining, d=d)
    soft = "soft" if margin is None else margin
    return Case(
        name + "".join(f"-{key}" for key in arguments),
        lambda: Triplet(margin=soft, mining=mining, **arguments),
        loop if arguments.get("normalize") is False else on_sphere(loop),
    )


def soft_triple(centers: int) -> Case:
    settings = {"centers": centers, "scale": 9.0, "gamma": 0.2, "margin": 0.05}
    return Case(
        f"soft_triple-{centers}",
        lambda: SoftTriple(**settings, regularization=0.3, **SIZES),
        partial(younger_reference.soft_triple, **settings, tau=0.3),
        ("proxies",),
    )


SIZES = {"num_classes": CLASSES, "embedding_dim": DIMENSION}
CASES = [
    Case(
        "contrastive",
        lambda: Contrastive(margin=1.2),
        on_sphere(partial(reference.contrastive, margin=1.2)),
    ),
    Case(
        "contrastive-manhattan",
        lambda: Contrastive(margin=2.0, distance=Minkowski(1), normalize=False),
        partial(reference.contrastive, margin=2.0, d=reference.manhattan),
    ),
    Case(
        "contrastive-cosine",
        lambda: Contrastive(margin=0.8, distance=Cosine()),
        partial(reference.contrastive, margin=0.8, d=one_minus_cosine),
    ),
    Case(
        "siamese",
        lambda: SiameseClassifier(embedding_dim=DIMENSION),
        reference.siamese_classifier,
        ("alpha", "beta"),
    ),
    triplets("batch_all", 0.2),
    triplets("batch_all", 0.0),
    triplets("batch_all", 5.0, normalize=False),
    triplets("batch_all", 0.3, squared=True),
    triplets("batch_hard", 0.2),
    triplets("batch_hard", None, normalize=False),
    triplets("batch_hard", 0.5, squared=True),
    triplets("easy_positive", 0.5),
    triplets("easy_positive", None),
    triplets("semi_hard", 0.2),
    triplets("semi_hard", 0.8, normalize=False),
    triplets("semi_hard", 0.4, squared=True),
    Case("center", lambda: Center(update="gradient", **SIZES), reference.center, ("centers",)),
    Case(
        "circle",
        lambda: Circle(margin=0.25, gamma=20),
        partial(reference.circle, margin=0.25, gamma=20),
    ),
    Case(
        "multi_similarity",
        MultiSimilarity,
        partial(reference.multi_similarity, alpha=2, beta=50, base=0.5, epsilon=0.1),
    ),
    Case(
        "multi_similarity-tight",
        lambda: MultiSimilarity(miner=MultiSimilarityPairs(epsilon=0.0), base=0.8),
        partial(reference.multi_similarity, alpha=2, beta=50, base=0.8, epsilon=0.0),
    ),
    Case(
        "multi_similarity-all",
        lambda: MultiSimilarity(miner="all", beta=10),
        partial(reference.multi_similarity, alpha=2, beta=10, base=0.5, epsilon=None),
    ),
    Case(
        "proxy_nca",
        lambda: ProxyNCA(scale=3, **SIZES),
        partial(reference.proxy_nca, scale=3),
        ("proxies",),
    ),
    Case(
        "proxy_anchor",
        lambda: ProxyAnchor(**SIZES),
        partial(reference.proxy_anchor, alpha=32, delta=0.1),
        ("proxies",),
    ),
    Case(
        "proxy_nca_pp",
        lambda: ProxyNCAPlusPlus(temperature=0.2, **SIZES),
        partial(younger_reference.proxy_nca_pp, temperature=0.2),
        ("proxies",),
    ),
    soft_triple(3),
    soft_triple(1),
    Case(
        "margin_loss-all",
        lambda: MarginLoss(miner="all", nu=0.1),
        partial(younger_reference.margin_loss, nu=0.1),
        ("beta",),
    ),
    Case(
        "margin_loss-class",
        lambda: MarginLoss(
            learn="class", num_classes=CLASSES, miner="batch_hard", margin=0.5, beta=0.9, nu=0.2
        ),
        partial(
            younger_reference.margin_loss, margin=0.5, nu=0.2, per_class=True, triplets="batch_hard"
        ),
        ("beta",),
    ),
    Case(
        "smooth_ap",
        lambda: SmoothAP(temperature=0.1),
        partial(younger_reference.smooth_ap, temperature=0.1),
    ),
    Case(
        "smooth_ap-query",
        lambda: SmoothAP(temperature=0.05, query_counts=True),
        partial(younger_reference.smooth_ap, temperature=0.05, query_counts=True),
    ),
    Case("supcon", SupCon, partial(reference.supcon, temperature=0.1)),
    Case("ntxent", NTXent, partial(reference.ntxent, temperature=0.07)),
    Case(
        "supcon-smoothed",
        lambda: SupCon(label_smoothing=0.2),
        partial(reference.supcon, temperature=0.1, smoothing=0.2),
    ),
    Case(
        "ntxent-smoothed",
        lambda: NTXent(label_smoothing=0.1),
        partial(reference.ntxent, temperature=0.07, smoothing=0.1),
    ),
]


def batch(
    seed: int = 0, size: int = 11, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Random embeddings, and labels with uneven classes; one of them has a single sample."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(size, DIMENSION, generator=generator, dtype=torch.float64).to(dtype)
    y = torch.randint(0, CLASSES - 1, (size,), generator=generator)
    y[-1] = CLASSES - 1
    return z.requires_grad_(), y
