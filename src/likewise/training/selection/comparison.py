"""The network beside its baselines: measured before the first epoch, compared early and at the end.

A run that goes wrong says so: after a third of its epochs if it is below raw pixels then, and at
its end if it does not clearly beat raw pixels and the start model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights
from likewise.models.state_dict import STATE_FILES
from likewise.training.recipe.named_embedder import load_named
from likewise.training.selection.baseline import (
    BASELINES,
    PIXELS,
    Baseline,
    pixels_baseline,
    read_baselines,
    start_baseline,
    write_baselines,
)
from likewise.training.setup.readable_photos import PhotosRead
from likewise.training.setup.start import begins_as_it_is
from likewise.training.trainer import Trainer
from likewise.training.validation import ENOUGH

__all__ = ["Comparison"]

log = logging.getLogger(__name__)
EARLY = 1 / 3  # of the run


class Comparison:
    """The baselines of a run, on rank 0, and what the network is compared with.

    Args:
        trainer: of the network.
        photos: for training and validation.
        fingerprint: of the manifest.
        folder: of the run.

    Attributes:
        found: the baselines; empty before they are measured, or without held-out photos.
    """

    def __init__(
        self, trainer: Trainer, photos: PhotosRead, fingerprint: str, folder: Path
    ) -> None:
        self.trainer, self.recipe, self.photos = trainer, trainer.recipe, photos
        self.path, self.fingerprint = folder / BASELINES, fingerprint
        self.found: list[Baseline] = []
        self._compared_early = False

    def measure(
        self,
        interrupt: Callable[[], bool],
        say: Callable[[str], None],
        report: Callable[[int, dict[str, Any]], None],
    ) -> None:
        """Measure the baselines, or read them if the run has measured them before.

        Args:
            interrupt: called before each batch of photos.
            say: gets one line for each baseline.
            report: gets the step 0 and the numbers.

        Raises:
            Interruption: ``interrupt`` returned True.
        """
        if self.photos.held_out is None or not len(self.photos.held_out.manifest):
            return
        # As it comes back from JSON, where tuples are lists.
        begun, key = self.trainer.step_number > 0, json.loads(json.dumps(self._key()))
        found = read_baselines(self.path, None if begun else key)
        if found is None:
            found = self._measured(interrupt, begun=begun)
            write_baselines(self.path, found, key)
        self.found = found
        # Also where they were read: a crash may have come before they were in the log.
        report(0, {"epoch": 0} | {k: value for one in found for k, value in one.report().items()})
        for one in found:
            line = f"baseline on the held-out identities: AUC of {one}"
            log.info("%s", line)
            say(line)

    def early(self, network: AucEstimate, epoch: int, epochs: int) -> None:
        """Warn, once, if the network is below raw pixels after a third of the epochs."""
        if self._compared_early or epoch < EARLY * epochs:
            return
        self._compared_early = True
        pixels = next((one for one in self.found if one.name == PIXELS), None)
        if pixels is not None and network.minus(pixels.estimate).interval().high < 0:
            self._warn(f"epoch {epoch}: so far the network", pixels, network)

    def at_end(self, network: AucEstimate | None) -> None:
        """Warn of each baseline that the saved network does not clearly beat."""
        if network is None or not self.found:
            return
        if network.people < ENOUGH:
            log.info(
                "only %d identities are held out: too few to compare with (--val-identities %d "
                "holds out more)", network.people, ENOUGH,
            )  # fmt: skip
            return
        for one in self.found:
            self._warn("the saved network", one, network)

    def about(self) -> dict[str, str]:
        """For the model card."""
        if not self.found:
            return {}
        return {"Baselines": f"AUC of {'; '.join(map(str, self.found))}"}

    def _warn(self, what: str, baseline: Baseline, network: AucEstimate) -> None:
        shortfall = baseline.shortfall(network)
        if shortfall and self.recipe.guards.watch:
            log.warning("%s %s. %s", what, shortfall, self._remedies())

    def _remedies(self) -> str:
        """What to try, without what the run has already."""
        tries = ["more photos of more identities", "a longer run"]
        faces = []
        if self.trainer.preprocess.alignment is None:
            faces.append("aligned photos (--detect)")
        if self.recipe.model.weights is None:
            faces.append("a start model (--from sface)")
        if faces:
            tries.append(f"for faces: {' or '.join(faces)}")
        return f"Try {', '.join(tries)}"

    def _key(self) -> dict[str, Any]:
        """What the baselines of a run depend on."""
        return {
            "photos": self.fingerprint,
            "preprocess": self.trainer.preprocess.to_dict(),
            "weights": self.recipe.model.weights,
            "seed": self.recipe.training.seed,
        }

    def _measured(self, interrupt: Callable[[], bool], *, begun: bool) -> list[Baseline]:
        training, held_out = self.photos.training, self.photos.held_out
        assert held_out is not None
        seed, preprocess = self.recipe.training.seed, self.trainer.preprocess
        found = [pixels_baseline(training, held_out, preprocess, seed, interrupt)]
        start = None if begun else self._start()
        if start is not None:
            try:
                found.append(start_baseline(start, held_out, preprocess, seed, interrupt))
            except BadWeights as error:
                log.warning("the start model is not measured: %s", error)
        return found

    def _start(self) -> Embedder | None:
        """The start model, as it is; None if the network starts at random, if only in part."""
        model = self.recipe.model
        if model.weights is None or begins_as_it_is(self.recipe):  # this one is validated itself
            return None
        path = Path(model.weights)
        if path.suffix.lower() in STATE_FILES and not path.is_dir():
            return None  # weights without their network: only in part of this one
        return load_named("model.weights", model.weights).to(self.trainer.device)
