"""The sections of a recipe on what is trained; each key has a default, bounds, an explanation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError

__all__ = [
    "BatchSection",
    "Data",
    "Distill",
    "HeadChoice",
    "Input",
    "LossChoice",
    "MemoryChoice",
    "Model",
    "Optimizer",
    "Section",
    "Share",
]

Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A section of a recipe; unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Input(Section):
    """The input of the network."""

    height: int = Field(112, ge=8, le=1024, description="pixels")
    width: int = Field(112, ge=8, le=1024, description="pixels")
    channels: Literal[1, 3] = Field(3, description="3 for color, 1 for gray")
    fit: Literal["crop", "pad", "stretch"] = Field("crop", description="how photos are resized")
    mean: tuple[float, ...] | None = Field(
        None,
        description="of each channel, for pixels from 0 to 1; null: that of the initial weights, "
        "else 0.5",
    )
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, description="standard deviation of each channel; null: as mean"
    )
    interpolation: Literal["bilinear", "bicubic", "lanczos", "nearest"] | None = Field(
        None, description="of resizing; null: that of the initial weights, else bilinear"
    )
    crop: Annotated[float, Field(ge=0.1, le=1)] | None = Field(
        None,
        description="share of height and width that is kept, around the middle, before resizing; "
        "null: that of the initial weights, else 1",
    )

    def preprocess(self) -> Preprocess:
        """The preprocessing, which is saved with the model."""
        half = (0.5,) * self.channels
        return Preprocess(
            self.height,
            self.width,
            self.channels,
            mean=self._each("mean", self.mean or half),
            std=self._each("std", self.std or half),
            fit=self.fit,
            interpolation=self.interpolation or "bilinear",
            crop=self.crop or 1.0,
        )

    def given(self) -> frozenset[str]:
        """Those of mean, std, interpolation and crop that the recipe sets."""
        keys = ("mean", "std", "interpolation", "crop")
        return frozenset(key for key in keys if getattr(self, key) is not None)

    def _each(self, key: str, values: tuple[float, ...]) -> tuple[float, ...]:
        """One value for each channel."""
        if len(values) not in (1, self.channels):
            raise InputError(
                f"input.{key}: {len(values)} values for {self.channels} channels; give one for "
                "each, or one for all"
            )
        return values if len(values) == self.channels else values * self.channels


class Data(Section):
    """Reading the photos."""

    val_identities: int | str = Field(
        "10%", description="identities held out for validation: a number or a percentage"
    )
    min_photos: int = Field(
        1, ge=1, description="photos that an identity needs to be trained on; others are left out"
    )
    on_bad_image: Literal["skip", "refuse"] = Field(
        "skip", description="skip: leave broken photos out; refuse: stop at the first"
    )
    workers: int | None = Field(
        None, ge=0, le=64, description="decoding processes; null: one per core"
    )
    keep_mib: int = Field(2048, ge=0, description="keep decoded photos in memory up to this size")
    transform: str | None = Field(
        None,
        description="of train(transform=...), which takes the place of augment; written by train; "
        "null: none",
    )


class BatchSection(Section):
    """How batches are composed."""

    sampler: Literal["auto", "plain", "balanced", "pairs"] = Field(
        "auto",
        description="plain: photos in random order (an incomplete last batch is dropped); "
        "balanced: P identities × K photos; pairs: adjacent photos form pairs, half of them of one "
        "person (for loss.miner: adjacent); auto: balanced or pairs if the loss compares photos "
        "with each other, else plain",
    )
    size: int = Field(128, ge=2, description="photos per batch (plain, pairs)")
    identities: int = Field(16, ge=2, description="P: identities per batch (balanced)")
    images: int = Field(4, ge=1, description="K: photos of each identity (balanced)")
    draw: Literal["equally", "by_photos"] = Field(
        "equally",
        description="how often an identity is drawn (balanced): equally; by_photos: in proportion "
        "to its photos less one, at most 20",
    )
    micro: int = Field(
        0,
        ge=0,
        description="photos per forward pass, by gradient caching; 0: the whole batch",
    )


class Model(Section):
    """The network."""

    name: str = Field(
        "mobilefacenet",
        description="one of `likewise models list`, or your own: package.module:function",
    )
    embedding_dim: int = Field(128, ge=2, le=8192, description="dimension of the embeddings")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="dropout before the last layer"
    )
    weights: str | None = Field(
        None,
        description="initial weights: a model's folder, sface, hub id, a .pth, .pt or .safetensors",
    )
    pretrained: bool = Field(
        False, description="begin with timm's trained weights of this network, from the hub"
    )
    settings: dict[str, Any] = Field(
        {}, description="other arguments of the network, such as {drop_path_rate: 0.1} of timm's"
    )
    weights_except: tuple[str, ...] = Field(
        (), description="patterns of weights to initialize at random instead, such as fc.*"
    )
    whiten: Share | None = Field(
        None,
        gt=0,
        description="before training, also try the weights with the last layer whitened within "
        "identities (WCCN), shrunk by this; kept if clearly better; null: do not",
    )
    freeze: tuple[str, ...] = Field(
        (), description="patterns of weights that are not trained, such as layer1.*"
    )
    freeze_statistics: bool = Field(
        False,
        description="batch normalisations keep the mean and variance of the initial weights, which "
        "small batches of new photos would spoil; their own weights are trained",
    )
    unfreeze_epoch: int = Field(
        0, ge=0, description="train the frozen weights after this many epochs; 0: never"
    )


class MemoryChoice(Section):
    """Photos of earlier batches as further positives and negatives (cross-batch memory)."""

    size: int = Field(0, ge=0, description="photos to remember; 0: no memory")
    start: int = Field(
        0, ge=0, description="batches before the first one is remembered; early ones drift fast"
    )
    in_batch: Literal["both", "anchor"] = Field(
        "both", description="which photo of a pair within the batch has a gradient"
    )


class LossChoice(BaseModel):
    """The loss: its name, and parameters such as margin; scale: auto fits the number of classes."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field(
        "cosface", description="one of likewise.losses.list_losses(), or softmax + 0.003*center"
    )
    memory: MemoryChoice = Field(default_factory=MemoryChoice)

    def parameters(self) -> dict[str, Any]:
        """The parameters that are given."""
        return {key: _number(value) for key, value in (self.model_extra or {}).items()}


class HeadChoice(Section):
    """The class weights of the softmax family, for very many classes."""

    sample: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="fraction of the classes used in a step, including those of the batch"
    )
    storage: Literal["memory", "mmap"] = Field(
        "memory",
        description="where class weights and moments are kept; mmap: on disk, on the CPU only",
    )
    moments: Literal["full", "row"] = Field(
        "full",
        description="adamw moments of class weights: two per weight, or one per row",
    )
    folder: str | None = Field(None, description="for storage: mmap; null: the folder of the run")


def _number(value: Any) -> Any:
    """A number for text such as 1e-3, which YAML 1.1 does not read as a number."""
    if isinstance(value, dict):
        return {key: _number(inner) for key, inner in value.items()}
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class Optimizer(Section):
    """The optimizer."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="the algorithm")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of the network")
    loss_lr: float | None = Field(
        None, gt=0, description="learning rate of the loss's weights; null: lr"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="learning rate of a stage relative to the next stage; 1: equal rates"
    )
    lr_scale: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="learning rate factors by patterns of weights, such as {fc.*: 10}"
    )
    momentum: Share = Field(0.9, description="momentum of sgd")
    nesterov: bool = Field(False, description="sgd: Nesterov's momentum")
    betas: tuple[Decay, Decay] = Field(
        (0.9, 0.999), description="adamw: decay of the first and the second moment"
    )
    eps: float = Field(1e-8, gt=0, description="adamw: added to the root of the second moment")
    weight_decay: float = Field(5e-2, ge=0, description="not on biases, norms and PReLU slopes")
    clip: float = Field(5.0, ge=0, description="maximum gradient norm; 0: no clipping")
    loss_clip: float | None = Field(
        None,
        ge=0,
        description="maximum gradient norm of the loss's weights, which clip then leaves out; 0: "
        "they are not clipped; null: clip is for one norm over all weights",
    )


class Distill(Section):
    """Knowledge distillation: the network also learns from the embeddings of a teacher."""

    teacher: str | None = Field(
        None, description="a model's folder, a hub id or an .onnx with its JSON; null: no teacher"
    )
    weight: float = Field(1.0, gt=0, description="weight of the distillation loss")
    kind: Literal["cosine", "l2", "relational", "similarity"] = Field(
        "cosine",
        description="what is compared: each embedding (cosine, l2), or the distances and angles "
        "(relational) or similarities (similarity) within a batch",
    )
    temperature: float = Field(0.1, gt=0, description="for kind: similarity")
    cache: bool = Field(
        False,
        description="embed each photo and its mirror image once, as they are, and learn their mean "
        "at every step; false: the teacher embeds the augmented photos of each step",
    )
