"""The embedder that a run saves: network, preprocessing, calibration and model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import auc_text
from likewise.models.embedded.norms import NormReference
from likewise.models.embedder import Embedder
from likewise.models.registry import is_given
from likewise.models.saving import CONFIG
from likewise.storage import read_json
from likewise.training.setup.network_choice import chosen_backbone
from likewise.training.trainer import Trainer
from likewise.training.validation import Validated, calibrated

__all__ = ["embedder_of", "saved_epoch", "validation_text"]

EXACT = "Validation {}"  # key in the model's configuration, with all digits


def embedder_of(
    trainer: Trainer,
    identities: list[str],
    about: Mapping[str, str],
    module: nn.Module,
    measured: Validated | None,
) -> Embedder:
    """The embedder of a network in training.

    Args:
        trainer: of the run.
        identities: of the people trained on.
        about: lines of the model card.
        module: the network.
        measured: its validation, by which it is calibrated; None: it is not.
    """
    recipe = trainer.recipe
    card: dict[str, Any] = {"Loss": recipe.loss.name, **about, "Epoch": trainer.epoch}
    if measured is not None:
        for name, value in (("AUC", measured.auc), (measured.metric.name, measured.chosen)):
            card[EXACT.format(name)] = value.value
        card["Validation"] = (
            f"{validation_text(measured)}, EER {measured.verification.eer:.4f} on "
            f"{measured.pairs.identities} unseen identities"
        )
    found = calibrated(measured, recipe.training.seed) if measured is not None else None
    return Embedder(
        module,
        trainer.preprocess,
        None if is_given(recipe.model.name) else chosen_backbone(recipe),
        operating_point=found.chosen if found else None,
        operating_points=found.points if found else (),
        calibration=found.calibration if found else None,
        norms=NormReference.measured(measured.norms) if measured is not None else None,
        identities=identities,
        about=card,
    )


def validation_text(measured: Validated) -> str:
    """The AUC with its interval; after the metric that epochs are compared by, if it is another."""
    names = {measured.metric.name: measured.chosen, "AUC": measured.auc}
    return ", ".join(f"{name} {auc_text(one.interval())}" for name, one in names.items())


def saved_epoch(folder: Path, measure: str) -> tuple[float, int] | None:
    """The validation and the epoch of the model in this folder; None if they are not known.

    Args:
        folder: of the model.
        measure: the metric.
    """
    try:
        about = read_json(folder / CONFIG)["about"]
        return float(about[EXACT.format(measure)]), int(about["Epoch"])
    except (InputError, KeyError, TypeError):  # no model, or of a version without these keys
        return None
