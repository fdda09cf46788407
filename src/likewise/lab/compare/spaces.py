"""The declared search space of every loss: fixed parameters, and one or two that are tuned.

Ranges are around what the papers use, brought to few classes and short runs: the scale is
counted in automatic scales, and the λ of SphereFace and L-Softmax falls within hundreds of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from likewise.lab.compare.knobs import Knob

__all__ = ["SPACES", "Space"]


@dataclass(frozen=True)
class Space:
    """How a loss is written, and what of it is tuned.

    Args:
        loss: a name for ``create_loss``; ``{weight}`` in it stands for a tuned knob.
        knobs: at most two, beside the learning rate.
        fixed: the other parameters that differ from the defaults.
    """

    loss: str
    knobs: tuple[Knob, ...] = ()
    fixed: Mapping[str, float | str] = field(default_factory=dict)


SCALE = Knob("scale", 0.7, 2.8, log=True, unit="automatic scale")
FALLING = {"base": 10.0, "gamma": 0.1, "power": 1.0}  # λ: from 10 to its minimum in 200 steps
SMALLEST = Knob("minimum", 0.3, 8.0, log=True)
WHOLE_MARGIN = Knob("margin", 2, 4, whole=True)
TRIPLET = Knob("margin", 0.05, 0.6)


def _margin(low: float, high: float) -> Knob:
    return Knob("margin", low, high)


SPACES: dict[str, Space] = {
    "softmax": Space("softmax"),
    "center": Space("softmax + {weight}*center", (Knob("weight", 3e-4, 3e-2, log=True),)),
    "normalized_softmax": Space("normalized_softmax", (SCALE,)),
    "lsoftmax": Space("lsoftmax", (SMALLEST, WHOLE_MARGIN), FALLING),
    "sphereface": Space("sphereface", (SMALLEST, WHOLE_MARGIN), FALLING),
    "cosface": Space("cosface", (_margin(0.05, 0.5), SCALE)),
    "arcface": Space("arcface", (_margin(0.05, 0.6), SCALE)),
    "airface": Space("airface", (_margin(0.05, 0.6), SCALE)),
    "adaface": Space("adaface", (_margin(0.05, 0.5), SCALE), {"rate": 0.05}),
    "combined": Space("combined", (Knob("m2", 0.05, 0.4), Knob("m3", 0.05, 0.3))
                      , {"scale": "auto"}),
    "curricularface": Space("curricularface", (_margin(0.05, 0.6), SCALE)),
    "magface": Space("magface", (
        Knob("regularization", 0.1, 30.0, log=True), SCALE),
        {"margin_low": 0.2, "margin_high": 0.5, "norm_low": 2.0, "norm_high": 20.0}),
    "sphereface2": Space("sphereface2", (_margin(0.05, 0.5), Knob("scale", 4.0, 40.0, log=True))),
    "subcenter_arcface": Space("subcenter_arcface", (_margin(0.05, 0.6), SCALE),
                               {"subcenters": 2}),
    "uniface": Space("uniface", (_margin(0.05, 0.5), SCALE)),
    "contrastive": Space("contrastive", (_margin(0.4, 1.3),)),
    "siamese_classifier": Space("siamese_classifier"),
    "triplet:batch_all": Space("triplet", (TRIPLET,), {"mining": "batch_all"}),
    "triplet:batch_hard": Space("triplet", (TRIPLET,), {"mining": "batch_hard"}),
    "triplet:semi_hard": Space("triplet", (TRIPLET,), {"mining": "semi_hard"}),
    "triplet:easy_positive": Space("triplet", (TRIPLET,), {"mining": "easy_positive"}),
    "triplet:distance_weighted": Space("triplet", (TRIPLET,), {"mining": "distance_weighted"}),
    "triplet:curriculum": Space("triplet", (TRIPLET,), {"mining": "curriculum"}),
    "multi_similarity": Space("multi_similarity", (
        Knob("base", 0.3, 0.9), Knob("beta", 10.0, 60.0, log=True))),
    "circle": Space("circle", (_margin(0.1, 0.6), Knob("gamma", 16.0, 256.0, log=True))),
    "ntxent": Space("ntxent", (Knob("temperature", 0.03, 0.3, log=True),)),
    "supcon": Space("supcon", (Knob("temperature", 0.03, 0.3, log=True),)),
    "prototype_memory": Space("prototype_memory", (_margin(0.05, 0.5), SCALE)),
    "proxy_nca": Space("proxy_nca", (Knob("scale", 1.0, 16.0, log=True),)),
    "proxy_anchor": Space("proxy_anchor", (
        Knob("alpha", 4.0, 32.0, log=True), Knob("delta", 0.0, 0.3))),
}  # fmt: skip
