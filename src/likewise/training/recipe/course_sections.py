"""The sections of a recipe on the course of a run: its length, its numbers and its guards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from likewise.errors import InputError
from likewise.training.recipe.sections import Section, Share
from likewise.training.recipe.validation_metric import KNOWN, Metric

__all__ = ["Guards", "Schedule", "Training"]


class Schedule(Section):
    """The length of the run, and the schedules of learning rate and margin."""

    epochs: int = Field(20, ge=1, description="passes over the photos, in whole batches")
    steps: int | None = Field(
        None, ge=1, description="steps of the run, instead of epochs; the last epoch may be short"
    )
    name: Literal["cosine", "polynomial", "step", "constant"] = Field(
        "cosine", description="decay of the learning rate after the warm-up"
    )
    warmup_epochs: float = Field(
        1.0, ge=0, description="epochs in which the learning rate rises to lr"
    )
    warmup: Share | None = Field(
        None, description="the same as a fraction of the run; null: warmup_epochs"
    )
    final: Share = Field(
        0.01, description="cosine, polynomial: the final learning rate, as a fraction of lr"
    )
    power: float = Field(
        1.0, gt=0, description="polynomial: the power of the part of the run left; 1: a line"
    )
    milestones: tuple[Share, ...] = Field(
        (0.5, 0.75, 0.9),
        description="step: when the learning rate is reduced, as fractions of the run",
    )
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="step: the factor of each reduction"
    )
    margin_warmup_epochs: float = Field(
        2.0, ge=0, description="epochs in which the margin rises to its full size"
    )
    margin_warmup: Share | None = Field(
        None, description="the same as a fraction of the run; null: margin_warmup_epochs"
    )


class Training(Section):
    """The training loop."""

    seed: int = Field(0, ge=0, lt=2**32, description="random seed of split, weights and batches")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "float32", "bf16", "fp16"] = Field(
        "auto",
        description="mixed precision of the network; the loss is in float32; auto: bf16 on a GPU",
    )
    channels_last: bool | None = Field(
        None, description="channels-last memory format; null: where it is faster"
    )
    compile: bool = Field(False, description="use torch.compile; the first step is slow")
    checkpoint_activations: bool = Field(
        False, description="activation checkpointing: less memory, more time"
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="decay of an exponential moving average of the weights; 0: none"
    )
    patience: int = Field(
        0, ge=0, description="early stopping after this many epochs without gain; 0: off"
    )
    metric: str = Field(
        "AUC",
        description="what epochs are compared by, on the held-out identities: AUC, EER, "
        "TAR@FAR=1e-3, Recall@1, MAP@R; for the model that is kept, and for patience",
    )
    checkpoint_minutes: float = Field(5.0, gt=0, description="minutes between checkpoints")
    keep_checkpoints: int = Field(
        2, ge=1, description="checkpoints to keep; older ones are removed"
    )
    sync_norm: bool = Field(True, description="synchronize batch normalization over all processes")
    peer_timeout_s: float = Field(
        300.0,
        gt=0,
        le=604_800,
        description="seconds until a process that does not respond counts as lost",
    )
    validate_every: int | None = Field(
        None,
        ge=1,
        description="epochs between validations; null: some twenty validations in a run, every "
        "epoch of a run of up to 29; the last epoch is always validated",
    )
    budget_minutes: float | None = Field(
        None,
        gt=0,
        description="time of the whole run; sets schedule.steps at its start: to those that fit, "
        "and to the number given at the most; later to fewer if the machine gets slower",
    )
    wandb: str | None = Field(None, description="Weights & Biases project to log to; null: none")
    mlflow: str | None = Field(None, description="MLflow experiment to log to; null: none")

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        try:
            return Metric.of(name).name
        except InputError:
            raise PydanticCustomError("metric", "expected one of " + KNOWN) from None


class Guards(Section):
    """Guards against steps that are not finite, and warnings."""

    skip: int = Field(
        3, ge=0, description="stop if more steps in a row than this are not finite and skipped"
    )
    watch: bool = Field(
        True, description="warn of dead classes, people never sampled and a lack of progress"
    )
    epochs: int = Field(
        5, ge=1, description="epochs without hits after which a class counts as dead"
    )
