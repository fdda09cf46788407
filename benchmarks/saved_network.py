"""The saved network: its batch normalisation statistics after few steps, and the best epoch.

Trains on the AT&T/ORL faces of people 1-20, and validates on people 21-40 after each epoch.

- ``saved.auc_recomputed``: MobileFaceNet at 56 px after so few steps that the running statistics
  are still near their initial values: the AUC with recomputed and with running statistics.
- ``saved.gap_settled``: ContrastNet, whose running statistics have converged: the difference.
- ``saved.chosen_by_N``: the epoch is chosen by the AUC on N of the 20 held-out people, drawn 100
  times: the AUC of that epoch on the others, minus that of the last epoch.

python -m benchmarks.saved_network [--quick] [--json FILE]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Result, arguments, report, row
from likewise.data.manifest import Manifest
from likewise.data.orl import orl_faces
from likewise.data.pairs import draw_pairs
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.setup.prepare import loader_of, prepare
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import StopRequest

Vectors = NDArray[np.float32]
DRAWS = 100


def epochs_of(recipe: Recipe, held_out: Manifest) -> Iterator[tuple[Vectors, Vectors]]:
    """After each epoch: embeddings by running statistics, and by recomputed ones."""
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes()
        device = torch.device("cpu")
        parts = prepare(orl_faces(range(1, 21)), recipe, Path(folder), device, processes)
        trainer, preprocess = parts.trainer, parts.components.preprocess
        statistics = NormStatistics(parts.dataset(recipe), recipe.training.seed)
        loader = loader_of(parts, recipe, device, processes)
        pixels = torch.stack([preprocess.pixels(photo) for photo in held_out.photos()])
        for _ in range(recipe.schedule.epochs):
            trainer.run_epoch(
                loader,
                parts.components.sampler,
                lambda _: None,
                StopRequest(),
                lambda: False,
                lambda: None,
            )
            module = trainer.network()
            running = Embedder(module, preprocess).embed_pixels(pixels)
            statistics.recompute(module, trainer.moved_norms())
            yield running, Embedder(module, preprocess).embed_pixels(pixels)


def auc(vectors: Vectors, labels: NDArray[np.int64]) -> float:
    pairs = draw_pairs(labels)
    return verification(
        pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right)), pairs.same
    ).auc


def chosen_by(people: int, epochs: list[Vectors], labels: NDArray[np.int64]) -> float:
    """The mean gain of the epoch chosen by ``people`` people over the last one, on the others."""
    random, gains = np.random.default_rng(0), []
    for _ in range(DRAWS):
        inside = np.isin(labels, random.permutation(np.unique(labels))[:people])
        own = [auc(vectors[inside], labels[inside]) for vectors in epochs]
        best = epochs[int(np.argmax(own))]
        gains.append(
            auc(best[~inside], labels[~inside]) - auc(epochs[-1][~inside], labels[~inside])
        )
    return float(np.mean(gains))


def results(*, quick: bool) -> list[Result]:
    held_out = orl_faces(range(21, 41))
    labels = held_out.labels
    few = recipe_with(Recipe(), ["input.height=56", "input.width=56", "data.val_identities=0",
                                 f"schedule.epochs={3 if quick else 8}"])  # fmt: skip
    for running, recomputed in epochs_of(few, held_out):
        by_running, by_recomputed = auc(running, labels), auc(recomputed, labels)
        print(f"MobileFaceNet: AUC {by_running:.4f} running, {by_recomputed:.4f} recomputed")
    found = [
        row("saved.auc_running", by_running, "AUC", "", True),
        row("saved.auc_recomputed", by_recomputed, "AUC", "> running + 0.1",
            by_recomputed > by_running + 0.1),
    ]  # fmt: skip
    many = recipe_with(few, [
        "model.name=contrastnet", "batch.sampler=balanced", "batch.identities=10",
        f"schedule.epochs={10 if quick else 40}",
    ])  # fmt: skip
    epochs = []
    for running, recomputed in epochs_of(many, held_out):
        gap = auc(recomputed, labels) - auc(running, labels)
        epochs.append(recomputed)
    found.append(row("saved.gap_settled", gap, "AUC", "", True))
    for people in (2, 5, 10):
        gain = chosen_by(people, epochs, labels)
        found.append(row(f"saved.chosen_by_{people}", gain, "AUC", "", True))
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
