"""The sections of a recipe: each key with its default, its bounds and a word on what it does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from likewise.data.preprocess import Preprocess

__all__ = [
    "BatchSection",
    "Data",
    "Distill",
    "Guards",
    "HeadChoice",
    "Input",
    "LossChoice",
    "Model",
    "Optimizer",
    "Schedule",
    "Section",
    "Training",
]

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: it knows its keys and no others, and every number is finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Input(Section):
    """What the network sees of a photo."""

    height: int = Field(112, ge=8, le=1024, description="pixels")
    width: int = Field(112, ge=8, le=1024, description="pixels")
    channels: Literal[1, 3] = Field(3, description="3 for colour, 1 for grey")
    fit: Literal["crop", "pad", "stretch"] = Field("crop", description="how a photo is fitted")

    def preprocess(self) -> Preprocess:
        """The preprocessing that travels with the model."""
        half = (0.5,) * self.channels
        return Preprocess(
            self.height,
            self.width,
            self.channels,
            mean=half,
            std=half,
            fit=self.fit,
        )


class Data(Section):
    """Which photos, and how they are read."""

    val_identities: int | str = Field(
        "10%", description="identities held out: a number or a percentage"
    )
    on_bad_image: Literal["skip", "refuse"] = Field("skip", description="what a broken photo does")
    workers: int | None = Field(None, ge=0, le=64, description="decoding processes; None: fitting")
    keep_mib: int = Field(2048, ge=0, description="keep decoded photos in memory up to this size")


class BatchSection(Section):
    """What a batch is made of."""

    sampler: Literal["auto", "plain", "balanced", "pairs"] = Field(
        "auto",
        description="plain: photos in random order (each once an epoch at most: a last batch that "
        "is not full is left out); balanced: P identities × K photos; pairs: side by side, half of "
        "them of one person (for loss.miner: adjacent); auto: balanced or pairs where the loss "
        "compares photos with each other, else plain",
    )
    size: int = Field(128, ge=2, description="photos a batch (plain, pairs)")
    identities: int = Field(16, ge=2, description="P (balanced)")
    images: int = Field(4, ge=1, description="K (balanced)")
    micro: int = Field(
        0,
        ge=0,
        description="photos that the network sees at a time, by gradient caching; 0: the batch",
    )


class Model(Section):
    """The network."""

    name: str = Field("mobilefacenet", description="one of `likewise models list`")
    embedding_dim: int = Field(128, ge=2, le=8192, description="numbers in an embedding")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="before the last layer")
    weights: str | None = Field(
        None,
        description="begin with these: an embedder's folder, a hub id, a .pth, .pt or .safetensors",
    )
    weights_except: tuple[str, ...] = Field(
        (), description="patterns of weights that are drawn anew all the same, such as fc.*"
    )
    freeze: tuple[str, ...] = Field(
        (), description="patterns of weights that stand still, such as layer1.*"
    )
    unfreeze_epoch: int = Field(
        0, ge=0, description="the epochs after which they move along; 0: never"
    )


class LossChoice(BaseModel):
    """The loss: its name, and whatever parameters it takes."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field(
        "cosface", description="one of likewise.losses.list_losses(), or softmax + 0.003*center"
    )

    def parameters(self) -> dict[str, Any]:
        """What is given besides the name."""
        return {key: _number(value) for key, value in (self.model_extra or {}).items()}


class HeadChoice(Section):
    """The class weights of the softmax family, where there are very many classes."""

    sample: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the classes that a step compares with, the batch's own included"
    )
    storage: Literal["memory", "mmap"] = Field(
        "memory", description="of class weights and their moments; mmap: on disk, on the CPU only"
    )
    moments: Literal["full", "row"] = Field(
        "full", description="adamw, of class weights: two for each number, or one for each row"
    )
    folder: str | None = Field(None, description="of mmap; None: in the run's folder")


def _number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for text; nobody means that."""
    if isinstance(value, dict):
        return {key: _number(inner) for key, inner in value.items()}
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class Optimizer(Section):
    """How the weights move."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="the algorithm")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of the network")
    loss_lr: float | None = Field(None, gt=0, description="of the loss's own weights; None: lr")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="a stage's learning rate over that of the next deeper one; 1: all alike"
    )
    lr_scale: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="learning rates by patterns of the network's weights, such as {fc.*: 10}"
    )
    momentum: Share = Field(0.9, description="of sgd")
    weight_decay: float = Field(5e-2, ge=0, description="none on biases, norms and PReLU slopes")
    clip: float = Field(5.0, ge=0, description="largest gradient norm; 0 turns clipping off")


class Distill(Section):
    """A teacher, whose embeddings of the same photos the network learns beside its own loss."""

    teacher: str | None = Field(
        None, description="an embedder's folder, a hub id or an .onnx with its JSON"
    )
    weight: float = Field(1.0, gt=0, description="multiplies what is added to the loss")
    kind: Literal["cosine", "l2", "relational", "similarity"] = Field(
        "cosine", description="what is compared: each embedding, or how those of a batch lie"
    )
    temperature: float = Field(0.1, gt=0, description="of similarity")


class Schedule(Section):
    """How long, and how the learning rate and the margin move."""

    epochs: int = Field(20, ge=1, description="passes over the photos, in whole batches")
    name: Literal["cosine", "step", "constant"] = Field("cosine", description="after the warm-up")
    warmup_epochs: float = Field(1.0, ge=0, description="learning rate from 0 to its peak")
    final: Share = Field(0.01, description="cosine: the last learning rate, as a share of lr")
    milestones: tuple[Share, ...] = Field(
        (0.5, 0.75, 0.9), description="step: where it falls, as shares of the run"
    )
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="step: how far it falls")
    margin_warmup_epochs: float = Field(2.0, ge=0, description="margin from 0 to its full size")


class Training(Section):
    """The loop."""

    seed: int = Field(0, ge=0, lt=2**32, description="draws the split, the weights, the batches")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto", description="of the network; the loss is always float32. auto: bf16 on a GPU"
    )
    channels_last: bool | None = Field(
        None, description="the layout of images and kernels; None: where it is the faster one"
    )
    compile: bool = Field(False, description="torch.compile the network; the first step is slow")
    checkpoint_activations: bool = Field(
        False, description="compute activations twice instead of keeping them: memory for time"
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="average the weights over steps with this decay; 0 turns it off"
    )
    patience: int = Field(0, ge=0, description="stop after this many epochs without gain; 0: never")
    checkpoint_minutes: float = Field(5.0, gt=0, description="between checkpoints in an epoch")
    keep_checkpoints: int = Field(2, ge=1, description="older ones are removed")
    sync_norm: bool = Field(
        True, description="batch normalisation over all processes' photos, as one would have it"
    )
    peer_timeout_s: float = Field(
        300.0, gt=0, le=604_800, description="a process that is silent for so long counts as lost"
    )
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    wandb: str | None = Field(None, description="a project of Weights & Biases to report to")


class Guards(Section):
    """What is not let through, and what is warned of."""

    skip: int = Field(
        3, ge=0, description="steps in a row that may be skipped as not finite, before it stops"
    )
    watch: bool = Field(
        True, description="warn of dead classes, people never sampled, and nothing learned"
    )
    epochs: int = Field(5, ge=1, description="epochs without a hit that make a class dead")
