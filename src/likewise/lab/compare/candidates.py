"""The losses that are compared: names on the command line become losses with search spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.lab.compare.search_space import (
    learning_rate,
    search_spaces,
    trial_position,
    value_at,
)
from likewise.losses import Hyperparameter, SearchSpace, create_loss, list_losses
from likewise.losses.registration import ALIASES

__all__ = ["Candidate", "Choice", "all_labels", "candidates_of"]


@dataclass(frozen=True)
class Choice:
    """One point of a search space: all that differs between two runs of one fold and seed.

    Args:
        loss: as for ``create_loss``.
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
    """A loss that is compared.

    Args:
        label: its name in the table, such as ``triplet:batch_hard``.
        loss: as for ``create_loss``; ``{weight}`` in it stands for a tuned hyperparameter.
        space: what is tuned besides the learning rate.
    """

    label: str
    loss: str
    space: SearchSpace

    def hyperparameters(self, lr: float) -> list[Hyperparameter]:
        """All that is tuned; the learning rate, around ``lr``, comes first."""
        return [learning_rate(lr), *self.space.tuned]

    def choice(self, trial: int, *, lr: float, num_classes: int) -> Choice:
        """The point of the search space that a trial evaluates; trial 0 is the middle."""
        rate, *values = (
            value_at(parameter, trial_position(trial, number), num_classes)
            for number, parameter in enumerate(self.hyperparameters(lr))
        )
        tuned: dict[str, Any] = {
            parameter.name: value for parameter, value in zip(self.space.tuned, values, strict=True)
        }
        loss = self.loss
        for name in [name for name in tuned if "{" + name + "}" in loss]:
            loss = loss.replace("{" + name + "}", f"{tuned.pop(name):g}")
        return Choice(loss, float(rate), {**self.space.fixed, **tuned})


def all_labels() -> list[str]:
    """The labels that ``all`` stands for."""
    return [label for label, space in search_spaces().items() if space.in_all]


def candidates_of(names: Sequence[str]) -> list[Candidate]:
    """The candidates that these names stand for, each once, in their order.

    Args:
        names: of ``list_losses()``; ``all``; ``triplet:batch_hard`` and the other strategies
            (``triplet`` alone is batch-all); or sums such as ``softmax + 0.003*center``, of which
            only the learning rate is tuned. ``center`` is softmax plus the centre loss, with a
            tuned weight.

    Raises:
        InputError: an unknown name (the nearest is suggested), or no names.

    Example:
        >>> from likewise.lab.compare.candidates import candidates_of
        >>> [c.label for c in candidates_of(["cosface", "triplet", "softmax+0.01*center"])]
        ['cosface', 'triplet:batch_all', 'softmax + 0.01*center']
    """
    spaces = search_spaces()
    found: dict[str, Candidate] = {}
    for name in names:
        labels = all_labels() if name.strip() == "all" else [_label(name, spaces)]
        for label in labels:
            space = spaces.get(label, SearchSpace(loss=label))
            found[label] = Candidate(label, space.loss or label.partition(":")[0], space)
    if not found:
        raise InputError("--losses: none named; give names with commas between them, or all")
    return list(found.values())


def _label(name: str, spaces: dict[str, SearchSpace]) -> str:
    bare = name.strip()
    bare = ALIASES.get(bare, bare)
    if "+" in bare or "*" in bare:
        create_loss(bare, num_classes=2, embedding_dim=2)  # the error says what is wrong
        return " + ".join("*".join(p.strip() for p in t.split("*")) for t in bare.split("+"))
    if bare in spaces:
        return bare
    variants = [label for label in spaces if label.startswith(bare.partition(":")[0] + ":")]
    if variants:
        return one_of("loss", bare, variants) if ":" in bare else variants[0]
    return one_of("loss", bare, ["all", *list_losses()])
