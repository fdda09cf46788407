"""The initial weights of a network, from another one that is trained already."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.backbones.timm_backbone import TimmBackbone
from likewise.models.backbones.timm_weights import TRUNK, fetch_weights, trunk_weights
from likewise.models.embedder import Embedder
from likewise.models.factory import is_place
from likewise.models.registry import Backbone, is_given, is_timm
from likewise.models.state_dict import (
    STATE_FILES,
    network_part,
    read_state_dict,
    warn_of_rest,
)
from likewise.training.recipe.name_patterns import matching
from likewise.training.recipe.named_embedder import load_named
from likewise.training.recipe.recipe import Recipe

__all__ = ["InitialWeights", "read_initial_weights", "trainable"]

NAMED = 3  # weights in a message


@dataclass(frozen=True)
class InitialWeights:
    """The initial weights of a network.

    Args:
        source: an embedder's folder, a hub id, or a file of weights.
        tensors: the weights by their names.
        backbone: of the source; None if it is a file of weights, or of a class of its own.
        preprocess: of the source; None if it is a file of weights.
        key: of the recipe, for messages.
    """

    source: str
    tensors: dict[str, Tensor]
    backbone: Backbone | None = None
    preprocess: Preprocess | None = None
    key: str = "model.weights"

    def preprocess_for(self, wanted: Preprocess, given: Collection[str] = ()) -> Preprocess:
        """``wanted`` with the mean, deviation, colour order and alignment of the source.

        Args:
            wanted: that of the recipe.
            given: those of mean, std, interpolation and crop that the recipe sets; they stay.

        Raises:
            InputError: they were trained with another number of channels or another fit.
        """
        used = self.preprocess
        if used is None:
            return wanted
        for key in ("channels", "fit"):
            ours, theirs = getattr(wanted, key), getattr(used, key)
            if ours != theirs:
                raise InputError(
                    f"model.weights: {self.source} was trained with {key} {theirs}, the recipe has "
                    f"{ours}; set input.{key}={theirs}"
                )
        own = {key: getattr(wanted, key) for key in given}
        theirs = {key: getattr(used, key) for key in ("mean", "std", "interpolation", "crop")}
        return replace(wanted, order=used.order, alignment=used.alignment, **{**theirs, **own})

    def load_into(self, module: nn.Module, recipe: Recipe) -> None:
        """Load the weights into the recipe's network, except those of ``model.weights_except``.

        Raises:
            InputError: the weights are of another network, some do not fit (names the first ones
                and the setting that leaves them out), or a pattern matches none.
        """
        model, kind = recipe.model, self.backbone and self.backbone.name
        if kind not in (None, model.name):
            raise InputError(
                f"{self.key}: {self.source} does not fit: it is a {kind}, model.name is "
                f"{model.name}; set model.name={kind}"
            )
        own = module.state_dict()
        if isinstance(module, TimmBackbone) and not any(TRUNK in name for name in self.tensors):
            tensors, rest = trunk_weights(module, self.tensors, self.source)
        else:
            tensors, rest = network_part(self.tensors, own, self.source)
        names = {**own, **tensors}
        if isinstance(module, TimmBackbone) and not any(map(_of_head, tensors)):
            names = {name: names[name] for name in names if not _of_head(name)}  # stays at random
        excluded = set(matching("model.weights_except", model.weights_except, {**own, **names}))
        misfits = {
            name: misfit
            for name in names
            if name not in excluded and (misfit := _misfit(own.get(name), tensors.get(name), name))
        }
        if misfits:
            raise InputError(self._complaint(misfits, len(own), recipe))
        warn_of_rest(self.source, rest)
        taken = {name: t for name, t in tensors.items() if name in own and name not in excluded}
        module.load_state_dict(taken, strict=False)

    def _complaint(self, misfits: dict[str, str], count: int, recipe: Recipe) -> str:
        """The message: which weights do not fit, and the settings that help."""
        named = ", ".join(f"{name} ({misfit})" for name, misfit in list(misfits.items())[:NAMED])
        more = f" and {len(misfits) - NAMED} more" if len(misfits) > NAMED else ""
        text = f"{self.key}: {self.source} does not fit {recipe.model.name}: {named}{more}; "
        if len(misfits) > count / 2:
            return text + "these are the weights of another network: set model.name"
        remedies = []
        used, size, backbone = self.preprocess, recipe.input, self.backbone
        if backbone and backbone.embedding_dim != recipe.model.embedding_dim:
            remedies.append(f"set model.embedding_dim={backbone.embedding_dim}")
        if used and (used.height, used.width) != (size.height, size.width):
            remedies.append(f"set input.height={used.height} input.width={used.width}")
        out = ",".join(dict.fromkeys(f'"{name.rpartition(".")[0]}.*"' for name in misfits))
        remedies.append(f"initialize these at random: model.weights_except=[{out}]")
        return text + ", or ".join(remedies)


def read_initial_weights(recipe: Recipe) -> InitialWeights | None:
    """Read the weights that ``model.weights`` names; None if the network starts at random.

    A file is read as plain weights; no code in it is run.

    Raises:
        InputError: there is no such embedder or file, or it cannot be trained.
    """
    model = recipe.model
    source = model.weights
    if model.pretrained:
        return _fetched(recipe)
    if source is None:
        if model.weights_except:
            raise InputError("model.weights_except: has no effect without model.weights")
        return None
    path = Path(source)
    if path.suffix.lower() in STATE_FILES and not path.is_dir():
        return InitialWeights(source, read_state_dict(path))
    embedder = load_named("model.weights", source)
    own = embedder.backbone is None and embedder.source_file is None
    known = is_given(model.name) or is_place(model.name)  # a network that the user names
    backbone = None if own and known else trainable(embedder, f"model.weights: {source}")
    tensors = embedder.module.state_dict()
    return InitialWeights(source, tensors, backbone, embedder.preprocess)


def _fetched(recipe: Recipe) -> InitialWeights:
    """The weights of ``model.pretrained``."""
    model, size = recipe.model, recipe.input
    if model.weights is not None:
        raise InputError(
            f"model.pretrained: true, and model.weights={model.weights}; leave one of them out"
        )
    if not is_timm(model.name):
        raise InputError(
            f"model.pretrained: is for networks of timm, and model.name is {model.name}; set "
            "model.weights to a file of its weights, or model.name=resnet50"
        )
    place = (size.height, size.width)
    tensors = fetch_weights(model.name, size.channels, place, model.settings)
    return InitialWeights(f"timm's {model.name}", tensors, key="model.pretrained")


def trainable(embedder: Embedder, what: str) -> Backbone:
    """How the network of an embedder is built, so that it can be trained.

    Args:
        embedder: any.
        what: begins the message.

    Raises:
        InputError: its network is not one that Likewise can build.
    """
    if embedder.source_file is not None:
        raise InputError(
            f"{what} is an ONNX file, which cannot be trained; it can be a teacher: distill.teacher"
        )
    if embedder.backbone is None:
        raise InputError(
            f"{what} has a network of a class of its own ({embedder.network}), which Likewise "
            "cannot build; give its class or its factory: likewise.train(…, model=…)"
        )
    return embedder.backbone


def _of_head(name: str) -> bool:
    """Whether a weight of ``TimmBackbone`` is of its last layer, which timm does not have."""
    return not name.startswith(TRUNK)


def _misfit(own: Tensor | None, given: Tensor | None, name: str) -> str:
    """Why a given weight does not fit that of the network; "" if it does."""
    if name.endswith("num_batches_tracked"):
        return ""  # older files lack it, and it is not used
    if given is None:
        return "missing"
    if own is None:
        return "not in the network"
    return "" if own.shape == given.shape else f"{list(given.shape)}, not {list(own.shape)}"
