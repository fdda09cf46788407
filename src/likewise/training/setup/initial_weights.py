"""Where a network begins: the weights of another, as far as they fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.registry import Backbone
from likewise.models.state_dict import (
    STATE_FILES,
    network_part,
    read_state_dict,
    warn_of_rest,
)
from likewise.training.recipe.name_patterns import matching
from likewise.training.recipe.named_embedder import load_named
from likewise.training.recipe.recipe import Recipe

__all__ = ["InitialWeights", "read_initial_weights"]

TOLD = 3  # weights that a message names


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a network begins with.

    Args:
        source: an embedder's folder, a hub id, or a file of weights.
        tensors: its weights by their names.
        backbone: what it is; None where the file does not say.
        preprocess: what it is used to see; None likewise.
    """

    source: str
    tensors: dict[str, Tensor]
    backbone: Backbone | None = None
    preprocess: Preprocess | None = None

    def preprocess_for(self, wanted: Preprocess) -> Preprocess:
        """``wanted`` with the mean, deviation and colour order that the weights are used to.

        Raises:
            InputError: they are used to another number of channels, or to photos fitted otherwise.
        """
        used = self.preprocess
        if used is None:
            return wanted
        for key in ("channels", "fit"):
            ours, theirs = getattr(wanted, key), getattr(used, key)
            if ours != theirs:
                raise InputError(
                    f"model.weights: {self.source} is used to {key} {theirs}, the recipe has "
                    f"{ours}; set input.{key}={theirs}"
                )
        return replace(wanted, mean=used.mean, std=used.std, order=used.order)

    def load_into(self, module: nn.Module, recipe: Recipe) -> None:
        """Load the weights into the recipe's network, but for ``model.weights_except``.

        Raises:
            InputError: it is of another kind, a weight does not fit (names the first ones, and
                what would leave them out), or a pattern fits none.
        """
        model, kind = recipe.model, self.backbone and self.backbone.name
        if kind not in (None, model.name):
            raise InputError(
                f"model.weights: {self.source} does not fit: it is a {kind}, model.name is "
                f"{model.name}; set model.name={kind}"
            )
        own = module.state_dict()
        tensors, rest = network_part(self.tensors, own, self.source)
        names = {**own, **tensors}
        left = set(matching("model.weights_except", model.weights_except, names))
        misfits = {
            name: misfit
            for name in names
            if name not in left and (misfit := _misfit(own.get(name), tensors.get(name), name))
        }
        if misfits:
            raise InputError(self._complaint(misfits, len(own), recipe))
        warn_of_rest(self.source, rest)
        taken = {name: t for name, t in tensors.items() if name in own and name not in left}
        module.load_state_dict(taken, strict=False)

    def _complaint(self, misfits: dict[str, str], count: int, recipe: Recipe) -> str:
        """Which weights do not fit, and all that could be done about it."""
        told = ", ".join(f"{name} ({misfit})" for name, misfit in list(misfits.items())[:TOLD])
        more = f" and {len(misfits) - TOLD} more" if len(misfits) > TOLD else ""
        text = f"model.weights: {self.source} does not fit {recipe.model.name}: {told}{more}; "
        if len(misfits) > count / 2:
            return text + "these are the weights of another network: set model.name"
        remedies = []
        used, size, backbone = self.preprocess, recipe.input, self.backbone
        if backbone and backbone.embedding_dim != recipe.model.embedding_dim:
            remedies.append(f"set model.embedding_dim={backbone.embedding_dim}")
        if used and (used.height, used.width) != (size.height, size.width):
            remedies.append(f"set input.height={used.height} input.width={used.width}")
        out = ",".join(dict.fromkeys(f'"{name.rpartition(".")[0]}.*"' for name in misfits))
        remedies.append(f"draw these anew: model.weights_except=[{out}]")
        return text + ", or ".join(remedies)


def read_initial_weights(recipe: Recipe) -> InitialWeights | None:
    """What ``model.weights`` names; None if the network begins with weights drawn at random.

    Nothing of a file is run: it is read as plain weights.

    Raises:
        InputError: there is no such embedder or file, or it cannot be trained.
    """
    source = recipe.model.weights
    if source is None:
        if recipe.model.weights_except:
            raise InputError("model.weights_except: says nothing without model.weights")
        return None
    path = Path(source)
    if path.suffix.lower() in STATE_FILES and not path.is_dir():
        return InitialWeights(source, read_state_dict(path))
    embedder = load_named("model.weights", source)
    if embedder.backbone is None:
        raise InputError(
            f"model.weights: {source} is an ONNX file: it can be a teacher (distill.teacher), "
            "but not be trained"
        )
    tensors = embedder.module.state_dict()
    return InitialWeights(source, tensors, embedder.backbone, embedder.preprocess)


def _misfit(own: Tensor | None, given: Tensor | None, name: str) -> str:
    """What is wrong between a weight of the network and one that is given; "" if nothing."""
    if name.endswith("num_batches_tracked"):
        return ""  # older files have none, and nothing reads it
    if given is None:
        return "missing"
    if own is None:
        return "not in the network"
    return "" if own.shape == given.shape else f"{list(given.shape)}, not {list(own.shape)}"
