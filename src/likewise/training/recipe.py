"""The recipe: one YAML file that says everything about a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from likewise.data.preprocess import Preprocess
from likewise.data.transforms import Augment
from likewise.errors import InputError

__all__ = ["Recipe", "load_recipe", "recipe_with"]

Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Section):
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


class Data(_Section):
    """Which photos, and how they are read."""

    val_identities: int | str = Field(
        "10%", description="identities held out: a number or a percentage"
    )
    on_bad_image: Literal["skip", "refuse"] = Field("skip", description="what a broken photo does")
    workers: int | None = Field(None, ge=0, le=64, description="decoding processes; None: fitting")
    keep_mib: int = Field(2048, ge=0, description="keep decoded photos in memory up to this size")


class BatchPlan(_Section):
    """What a batch is made of."""

    sampler: Literal["plain", "balanced", "pairs"] = Field(
        "plain",
        description="all photos once an epoch, P identities × K photos, or pairs side by side, "
        "half of them of one person (for loss.miner: adjacent)",
    )
    size: int = Field(128, ge=2, description="photos a batch (plain, pairs)")
    identities: int = Field(16, ge=2, description="P (balanced)")
    images: int = Field(4, ge=1, description="K (balanced)")
    micro: int = Field(
        0,
        ge=0,
        description="photos that the network sees at a time, by gradient caching; 0: the batch",
    )


class Model(_Section):
    """The network."""

    name: str = Field("mobilefacenet", description="one of `likewise models list`")
    embedding_dim: int = Field(128, ge=2, le=8192, description="numbers in an embedding")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="before the last layer")
    weights: str | None = Field(
        None, description="begin with these: an embedder's folder, a hub id, or InsightFace's .pth"
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


class HeadChoice(_Section):
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


class Optimizer(_Section):
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


class Distill(_Section):
    """A teacher, whose embeddings of the same photos the network learns beside its own loss."""

    teacher: str | None = Field(
        None, description="an embedder's folder, a hub id or an .onnx with its JSON"
    )
    weight: float = Field(1.0, gt=0, description="multiplies what is added to the loss")
    kind: Literal["cosine", "l2", "relational", "similarity"] = Field(
        "cosine", description="what is compared: each embedding, or how those of a batch lie"
    )
    temperature: float = Field(0.1, gt=0, description="of similarity")


class Schedule(_Section):
    """How long, and how the learning rate and the margin move."""

    epochs: int = Field(20, ge=1, description="passes over the photos")
    name: Literal["cosine", "step", "constant"] = Field("cosine", description="after the warm-up")
    warmup_epochs: float = Field(1.0, ge=0, description="learning rate from 0 to its peak")
    final: Share = Field(0.01, description="cosine: the last learning rate, as a share of lr")
    milestones: tuple[Share, ...] = Field(
        (0.5, 0.75, 0.9), description="step: where it falls, as shares of the run"
    )
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="step: how far it falls")
    margin_warmup_epochs: float = Field(2.0, ge=0, description="margin from 0 to its full size")


class Training(_Section):
    """The loop."""

    seed: int = Field(0, ge=0, description="draws the split, the weights, the batches")
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
        300.0, gt=0, description="a process that is silent for so long counts as lost"
    )
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    wandb: str | None = Field(None, description="a project of Weights & Biases to report to")


class Guards(_Section):
    """What is not let through, and what is warned of."""

    skip: int = Field(
        3, ge=0, description="steps in a row that may be skipped as not finite, before it stops"
    )
    watch: bool = Field(
        True, description="warn of dead classes, people never sampled, and nothing learned"
    )
    epochs: int = Field(5, ge=1, description="epochs without a hit that make a class dead")


class Recipe(_Section):
    """Everything about a training run but the photos themselves.

    Example:
        >>> from likewise.training.recipe import Recipe, recipe_with
        >>> recipe_with(Recipe(), ["loss.margin=0.4", "schedule.epochs=5"]).schedule.epochs
        5
    """

    input: Input = Field(default_factory=Input)
    data: Data = Field(default_factory=Data)
    augment: Augment = Field(default_factory=Augment)
    batch: BatchPlan = Field(default_factory=BatchPlan)
    model: Model = Field(default_factory=Model)
    loss: LossChoice = Field(default_factory=lambda: LossChoice(name="cosface", scale="auto"))
    head: HeadChoice = Field(default_factory=HeadChoice)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    distill: Distill = Field(default_factory=Distill)
    schedule: Schedule = Field(default_factory=Schedule)
    training: Training = Field(default_factory=Training)
    guards: Guards = Field(default_factory=Guards)

    def to_yaml(self) -> str:
        """The recipe with every key resolved and explained."""
        return "\n".join(_explained(self, "")) + "\n"


def _explained(section: BaseModel, indent: str) -> list[str]:
    """A section's keys as YAML, each with its explanation as a comment."""
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            lines += [f"{indent}{name}:", *_explained(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {_plain(value)}  # {field.description}")
    for name, value in (section.model_extra or {}).items():
        lines.append(f"{indent}{name}: {_plain(value)}")
    return lines


def _plain(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=1000, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; keys left out have their defaults.

    Raises:
        InputError: no such file, no YAML, or an unknown key or a wrong value; names the key and
            the nearest known one.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys like `schedule:`, found {type(values).__name__}")
    return _parse(values, str(path))


def recipe_with(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """A recipe with some keys set, as ``--set section.key=value`` does; values are YAML.

    Raises:
        InputError: a setting is malformed, or its key or value is wrong.
    """
    values = recipe.model_dump(mode="json")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InputError(f"--set {setting}: expected section.key=value")
        place = values
        *sections, last = key.strip().split(".")
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise InputError(f"--set {setting}: {section} is a value, not a section")
            place = inner
        try:
            place[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"--set {setting}: {text!r} is not a value") from None
    # The parameters of one loss say nothing to another.
    if any(setting.startswith("loss.name=") for setting in settings):
        given = {s.partition("=")[0].strip().split(".")[1] for s in settings if s[:5] == "loss."}
        values["loss"] = {k: v for k, v in values["loss"].items() if k in given}
    return _parse(values, "--set")


def _parse(values: Mapping[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{where}: {_explain(problem['loc'], problem)}") from None


def _explain(place: tuple[int | str, ...], problem: Any) -> str:
    key = ".".join(str(part) for part in place)
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg'].lower()}; got {problem['input']!r}"
    known = _keys_at(place[:-1])
    near = get_close_matches(str(place[-1]), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key {key!r}; {hint}known here: {', '.join(known)}"


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    model: Any = Recipe
    for part in place:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)
