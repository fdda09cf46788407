"""The losses that take part: what was typed becomes candidates, each with its search space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from likewise.errors import InputError, one_of
from likewise.lab.compare.knobs import Knob, learning_rate, place
from likewise.lab.compare.spaces import SPACES, Space
from likewise.losses import create_loss, list_losses
from likewise.losses.registry import ALIASES

__all__ = ["ALL", "Candidate", "Choice", "candidates_of"]

# The three strategies of mining that are most used stand for the triplets.
ALL = tuple(
    name
    for name in SPACES
    if name not in ("triplet:easy_positive", "triplet:distance_weighted", "triplet:curriculum")
)


@dataclass(frozen=True)
class Choice:
    """One point of a search space: all that differs between two runs of a fold and seed.

    Args:
        loss: as ``create_loss`` takes it.
        lr: the peak learning rate.
        parameters: of the loss.
    """

    loss: str
    lr: float
    parameters: dict[str, Any]

    def describe(self) -> str:
        """In a few words, such as ``lr 0.003, margin 0.3``."""
        parts = [f"lr {self.lr:g}"]
        if "*" in self.loss:
            parts.append(self.loss)
        parts += [
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in self.parameters.items()
        ]
        return ", ".join(parts)


@dataclass(frozen=True)
class Candidate:
    """A loss that takes part.

    Args:
        label: what it is called in the table, such as ``triplet:batch_hard``.
        space: what of it is tuned.
    """

    label: str
    space: Space

    def knobs(self, lr: float) -> list[Knob]:
        """All that is tuned; the learning rate, around ``lr``, comes first."""
        return [learning_rate(lr), *self.space.knobs]

    def choice(self, trial: int, *, lr: float, num_classes: int, embedding_dim: int) -> Choice:
        """The point of the space that trial ``trial`` tries; trial 0 is its middle."""
        rate, *values = (
            knob.at(place(trial, number), num_classes, embedding_dim)
            for number, knob in enumerate(self.knobs(lr))
        )
        tuned: dict[str, Any] = {
            knob.name: value for knob, value in zip(self.space.knobs, values, strict=True)
        }
        loss = self.space.loss
        for name in [name for name in tuned if "{" + name + "}" in loss]:
            loss = loss.replace("{" + name + "}", f"{tuned.pop(name):g}")
        return Choice(loss, float(rate), {**self.space.fixed, **tuned})


def candidates_of(names: Sequence[str]) -> list[Candidate]:
    """The candidates that these names stand for, each once, in their order.

    Args:
        names: of ``list_losses()``; ``all``; ``triplet:batch_hard`` and the other strategies
            (``triplet`` alone is batch-all); or sums such as ``softmax + 0.003*center``, of which
            only the learning rate is tuned. ``center`` is softmax plus the centre loss, its
            weight tuned.

    Raises:
        InputError: an unknown name, the nearest one is suggested; or none at all.

    Example:
        >>> from likewise.lab.compare.candidates import candidates_of
        >>> [c.label for c in candidates_of(["cosface", "triplet", "softmax+0.01*center"])]
        ['cosface', 'triplet:batch_all', 'softmax + 0.01*center']
    """
    found: dict[str, Candidate] = {}
    for name in names:
        labels = ALL if name.strip() == "all" else (_label(name),)
        for label in labels:
            found[label] = Candidate(label, SPACES.get(label) or Space(label))
    if not found:
        raise InputError("--losses: none named; name some with commas between them, or all")
    return list(found.values())


def _label(name: str) -> str:
    bare = name.strip()
    bare = ALIASES.get(bare, bare)
    if bare == "triplet":
        return "triplet:batch_all"
    if "+" in bare or "*" in bare:
        create_loss(bare, num_classes=2, embedding_dim=2)  # says what is wrong with it
        return " + ".join("*".join(p.strip() for p in t.split("*")) for t in bare.split("+"))
    if bare in SPACES:
        return bare
    if bare.startswith("triplet:"):
        return one_of("loss", bare, [label for label in SPACES if label.startswith("triplet:")])
    return one_of("loss", bare, ["all", *list_losses()])
