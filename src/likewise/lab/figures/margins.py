"""The margins that are pictured: the losses with the defaults of their papers, and the rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from likewise.errors import one_of
from likewise.losses import create_loss
from likewise.losses.head.head import Head
from likewise.losses.margins.softmax import Softmax

__all__ = ["MARGINS", "Case", "Margin", "margin_of"]

CLASSES = 8


@dataclass(frozen=True)
class Case:
    """One curve: a loss in some state, and an embedding of some length."""

    label: str
    head: Head | Softmax
    norm: float = 1.0


@dataclass(frozen=True)
class Margin:
    """What a picture of a margin shows.

    Args:
        title: the loss.
        asks: the rule that a sample of class 1 must meet, in a line.
        cases: the curves; the first one's regions are filled.
        others: what stands in place of the other classes' cosine, where anything does.
        until: the largest angle of the (θ1, θ2) plane.
    """

    title: str
    asks: str
    cases: tuple[Case, ...]
    others: str = "the other class"
    until: float = math.pi / 2


def _head(name: str, **params: Any) -> Any:
    return create_loss(name, num_classes=CLASSES, embedding_dim=2, **params).eval()


def _annealed(name: str, margin: int) -> tuple[Case, ...]:
    """ψ itself, and its blend with the cosine at a λ that SphereFace's schedule ends with."""
    return tuple(
        Case(label, _head(name, margin=margin, base=weight, minimum=weight))
        for label, weight in ((f"ψ(θ), m = {margin}", 0.0), ("blended, λ = 5", 5.0))
    )


def _softmax() -> Margin:
    return Margin(
        "Softmax", "θ₁ < θ₂  (equal ‖w‖, no bias)", (Case("own class", _head("softmax")),)
    )


def _normalized() -> Margin:
    return Margin(
        "Normalized softmax", "θ₁ < θ₂", (Case("own class", _head("normalized_softmax")),)
    )


def _lsoftmax() -> Margin:
    return Margin("L-Softmax", "m·θ₁ < θ₂  (equal ‖w‖; up to π/m)", _annealed("lsoftmax", 2))


def _sphereface() -> Margin:
    return Margin("SphereFace", "m·θ₁ < θ₂  (up to π/m)", _annealed("sphereface", 4))


def _cosface() -> Margin:
    return Margin(
        "CosFace", "cos θ₁ - m > cos θ₂", (Case("cos θ - m, m = 0.35", _head("cosface")),)
    )


def _arcface() -> Margin:
    return Margin("ArcFace", "θ₁ + m < θ₂", (Case("cos(θ + m), m = 0.5", _head("arcface")),))


def _airface() -> Margin:
    return Margin(
        "AirFace",
        "θ₁ + m < θ₂",
        (Case("(π - 2(θ + m))/π, m = 0.45", _head("airface")),),
        others="(π - 2θ)/π",
    )


def _combined() -> Margin:
    return Margin(
        "Combined margin",
        "cos(m₁θ₁ + m₂) - m₃ > cos θ₂",
        (Case("m₂ = 0.3, m₃ = 0.2", _head("combined")),),
    )


def _subcenter() -> Margin:
    return Margin(
        "Sub-centre ArcFace",
        "θ₁ + m < θ₂, each to the nearest sub-centre",
        (Case("cos(θ + m), m = 0.5", _head("subcenter_arcface")),),
    )


def _curricularface() -> Margin:
    early, late = (
        Case("cos(θ + m), m = 0.5; early: t = 0", _head("curricularface")),
        _head("curricularface"),
    )
    late.progress.fill_(0.7)
    return Margin(
        "CurricularFace",
        "θ₁ + m < θ₂; while t is small, hard classes count less",
        (early, Case("the same, late: t = 0.7", late)),
        others="other class, t = 0, own at 45°",
    )


def _adaface() -> Margin:
    """Lengths a deviation and more from the mean saturate the quality."""
    head = _head("adaface")
    head.norm_mean.fill_(50.0)
    head.norm_deviation.fill_(10.0)
    return Margin(
        "AdaFace",
        "cos(θ₁ - m·q) - (m + m·q) > cos θ₂",
        tuple(
            Case(label, head, norm)
            for label, norm in (("q = 0, m = 0.4", 50.0), ("q = 1: good photo", 99.0),
                                ("q = -1: bad photo", 1.0))
        ),
    )  # fmt: skip


def _magface() -> Margin:
    head = _head("magface")
    return Margin(
        "MagFace",
        "θ₁ + m(‖z‖) < θ₂",
        tuple(
            Case(f"‖z‖ = {norm:g}: m = {float(head.margins(head.weight.new_tensor(norm))):.2f}",
                 head, norm)
            for norm in (60.0, 110.0, 10.0)
        ),
    )  # fmt: skip


def _sphereface2() -> Margin:
    return Margin(
        "SphereFace2",
        "g(cos θ₁) - m > -b/r  and  g(cos θ₂) + m < -b/r",
        (Case("g(cos θ) - m, m = 0.4", _head("sphereface2")),),
        others="g(cos θ) + m",
        until=math.pi,
    )


def _uniface() -> Margin:
    return Margin(
        "UniFace",
        "cos θ₁ - m > b/s  and  cos θ₂ < b/s",
        (Case("cos θ - m, m = 0.4", _head("uniface")),),
        until=math.pi,
    )


MARGINS: dict[str, Callable[[], Margin]] = {
    "adaface": _adaface,
    "airface": _airface,
    "arcface": _arcface,
    "combined": _combined,
    "cosface": _cosface,
    "curricularface": _curricularface,
    "lsoftmax": _lsoftmax,
    "magface": _magface,
    "normalized_softmax": _normalized,
    "softmax": _softmax,
    "sphereface": _sphereface,
    "sphereface2": _sphereface2,
    "subcenter_arcface": _subcenter,
    "uniface": _uniface,
}


def margin_of(name: str) -> Margin:
    """The margin of a member of the softmax family, as it is pictured.

    Raises:
        InputError: an unknown name; the nearest is suggested.

    Example:
        >>> from likewise.lab.figures.margins import margin_of
        >>> margin_of("arcface").asks
        'θ₁ + m < θ₂'
    """
    return MARGINS[one_of("loss", name, MARGINS)]()
