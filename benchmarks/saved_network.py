"""The saved network: its batch normalisation statistics after few steps, and the best epoch.

Trains on the AT&T/ORL faces of people 1-20, and validates on people 21-40 after each epoch.

- ``saved.auc_recomputed``: MobileFaceNet at 56 px after so few steps that the running statistics
  are still near their initial values: the AUC with recomputed and with running statistics.
- ``saved.gap_settled``: ContrastNet, whose running statistics have converged: the difference.
- ``saved.orl_by_N``, ``saved.lfw_by_N``: the epoch is chosen by the AUC on N people, drawn 20
  times: the AUC of that epoch on the others, minus that of the last epoch. LFW: people of View 1's
  training half, at a constant learning rate; needs LIKEWISE_DATA.
- ``….over_highest``: the same minus that of the epoch with the highest AUC on the N people, and its
  standard error.
- ``saved.simulated_SHAPE``: simulated runs whose true AUC is known, which rise to the end, settle
  after a third, or fall from then on: by 10 and 20 people, chosen minus highest.
- ``saved.METRIC_s``: what it takes to compare epochs by another metric than AUC (``--metrics``
  alone), on 21,000 made-up embeddings: the most pairs that are drawn.

python -m benchmarks.saved_network [--quick] [--json FILE] | --metrics
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.measure import Result, arguments, report, row
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.orl import orl_faces
from likewise.data.pairs import draw_pairs
from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_estimate
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.validation_metric import Metric
from likewise.training.setup.prepare import loader_of, prepare
from likewise.training.step.norm_statistics import NormStatistics
from likewise.training.stopping import Best, StopRequest
from likewise.training.validation import ENOUGH, score, scored
from likewise.training.validation_metric import estimate_of

Vectors = NDArray[np.float32]
DRAWS = 20


def epochs_of(
    recipe: Recipe, held_out: Manifest, training: Manifest | None = None
) -> Iterator[tuple[Vectors, Vectors]]:
    """After each epoch: embeddings by running statistics, and by recomputed ones."""
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes()
        device = torch.device("cpu")
        parts = prepare(
            training or orl_faces(range(1, 21)), recipe, Path(folder), device, processes
        )
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


def chosen(found: Sequence[AucEstimate]) -> int:
    """The epoch that ``train`` keeps, from 0."""
    best = Best()
    for epoch, one in enumerate(found, start=1):
        if found[0].people < ENOUGH:
            best.set(one, epoch)
        else:
            best.update(one, epoch)
    return best.epoch - 1


def highest(found: Sequence[AucEstimate]) -> int:
    """The epoch with the highest AUC, from 0."""
    return int(np.argmax([one.value for one in found]))


def chosen_by(people: int, epochs: list[Vectors], labels: NDArray[np.int64]) -> list[list[float]]:
    """The AUC on the others: of the chosen epoch, of that with the highest AUC, of the last."""
    random, rows = np.random.default_rng(0), []
    names = np.unique(labels)
    for _ in range(DRAWS):
        inside = np.isin(labels, random.permutation(names)[:people])
        own = [score(vectors[inside], labels[inside], 0, len(names))[1] for vectors in epochs]
        picks = [chosen(own), highest(own), len(own) - 1]
        known = {k: auc(epochs[k][~inside], labels[~inside]) for k in set(picks)}
        rows.append([known[k] for k in picks])
    return rows


def choice_rows(name: str, sides: Sequence[int], epochs: list[Vectors],
                labels: NDArray[np.int64]) -> Iterator[Result]:  # fmt: skip
    """The results for each number of people that choose."""
    for people in sides:
        kept, top, last = np.array(chosen_by(people, epochs, labels)).T
        yield row(f"{name}_by_{people}", float(np.mean(kept - last)), "AUC", "", True)
        gain = kept - top
        error = float(np.std(gain) / np.sqrt(len(gain)))
        yield row(f"{name}_by_{people}.over_highest", float(np.mean(gain)), "AUC",
                  "≥ -2 errors", float(np.mean(gain)) >= -2 * error)  # fmt: skip
        print(f"{name}, {people} people: {np.mean(gain):+.4f} ± {error:.4f} over the highest")


def simulated(shape: str, people: int, runs: int) -> float:
    """The mean true AUC of the chosen epoch minus that of the epoch with the highest AUC.

    A photo is person + day · noise in 16 dimensions, and a tenth of the variance of both is new in
    each epoch. The AUC of such photos is known in closed form (see ``benchmarks.coverage``).
    """
    random = np.random.default_rng(0)
    rise = np.linspace(3.0, 1.5, 7)
    days = {
        "rises": np.linspace(3.0, 1.5, 20),
        "settles": np.concatenate([rise, np.full(13, 1.5)]),
        "falls": np.concatenate([rise, np.linspace(1.5, 2.2, 13)]),
    }[shape]
    true = stats.f.cdf((1 + days**2) / days**2, 16, 16)
    labels, gains = np.repeat(np.arange(people), 5), []
    i, j = np.triu_indices(len(labels), 1)
    for _ in range(runs):
        fixed = random.normal(size=(2, len(labels), 16))
        fixed[0] = fixed[0, :people][labels]
        found = []
        for day in days:
            new = random.normal(size=fixed.shape)
            new[0] = new[0, :people][labels]
            person, noise = np.sqrt(0.9) * fixed + np.sqrt(0.1) * new
            photos = person + day * noise
            scores = -((photos[i] - photos[j]) ** 2).sum(axis=1)
            same = labels[i] == labels[j]
            found.append(auc_estimate(ScoredPairs(scores, same, labels[i], labels[j], people)))
        gains.append(true[chosen(found)] - true[highest(found)])
    return float(np.mean(gains))


def lfw_people(data: Path) -> tuple[Manifest, Manifest]:
    """Twenty people with 6 photos each, and 120 others with 5, of View 1's training half."""
    manifest = read_manifest(data / "lfw" / "aligned112")
    named = (data / "lfw" / "protocol" / "peopleDevTrain.csv").read_text().splitlines()[1:]
    allowed = {line.split(",")[0] for line in named if line.strip()}
    labels, names = manifest.labels, manifest.identities
    able = [k for k, n in enumerate(np.bincount(labels)) if n >= 6 and names[k] in allowed]
    order = np.random.default_rng(0).permutation(able)

    def of(people: NDArray[np.int64], each: int) -> Manifest:
        rows = [np.flatnonzero(labels == one)[:each] for one in people]
        return manifest.take(np.sort(np.concatenate(rows)))

    return of(order[:20], 6), of(order[20:140], 5)


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
        "input.height=40", "input.width=40", f"schedule.epochs={10 if quick else 24}",
    ])  # fmt: skip
    epochs = []
    for running, recomputed in epochs_of(many, held_out):
        gap = auc(recomputed, labels) - auc(running, labels)
        epochs.append(recomputed)
    found.append(row("saved.gap_settled", gap, "AUC", "", True))
    found += choice_rows("saved.orl", (2, 5, 10), epochs, labels)
    for shape in ("rises", "settles", "falls"):
        for people in (10, 20):
            gain = simulated(shape, people, 20 if quick else 100)
            found.append(row(f"saved.simulated_{shape}_by_{people}", gain, "AUC", "", True))
    folder = os.environ.get("LIKEWISE_DATA")
    if folder and not quick:
        training, others = lfw_people(Path(folder))
        constant = recipe_with(many, ["schedule.name=constant",
                                      "optimizer.lr=3e-3"])  # fmt: skip
        epochs = [vectors for _, vectors in epochs_of(constant, others, training)]
        found += choice_rows("saved.lfw", (2, 5, 10, 20, 40), epochs, others.labels)
    return found


def metric_rows() -> list[Result]:
    """Seconds of a processor core for each metric, besides the AUC."""
    people, each = 1000, 21
    random, labels = np.random.default_rng(0), np.repeat(np.arange(people), each)
    vectors = random.normal(size=(people, 64))[labels] + 2 * random.normal(size=(len(labels), 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    drawn, found = scored(vectors, labels, 0), []
    for name in ("EER", "TAR@FAR=0.001", "Recall@1", "MAP@R"):
        metric, began = Metric.of(name), time.process_time()
        estimate_of(metric, vectors, labels, *drawn, people, 0)
        found.append(row(f"saved.{metric.key}_s", time.process_time() - began, "s"))
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["--metrics"]:
        report(metric_rows(), None)
        sys.exit()
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
