"""Learned metrics for recognition among known classes: rank-1 accuracy against the cosine.

Omniglot's background alphabets, pixels at 28×28 reduced to 60 dimensions by PCA. The characters
are divided into nine disjoint groups of 100. In each group, metrics are fitted on the drawings of
15 of the 20 drawers; each drawing of the other 5 gets the label of its nearest neighbor. The
confidence interval of a difference is the t-interval over groups.

python -m benchmarks.known_classes [--quick] [--json FILE]

The folder of real data is named by LIKEWISE_DATA.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from benchmarks.measure import Result, arguments, report, row
from likewise.data.formats import read_manifest
from likewise.data.images import decode
from likewise.data.manifest import Manifest
from likewise.distances import Distance
from likewise.evaluation.nearest.neighbors import nearest
from likewise.lab.compare.intervals import mean_difference
from likewise.metriclearn import LDA, LMNN, NCA, LinearMetric, WithinClassWhitening

CHARACTERS = 100  # in a group
GROUPS = 9
FITTED_DRAWERS = 15
METRICS: dict[str, LinearMetric] = {
    "WithinClassWhitening": WithinClassWhitening(shrinkage="auto"),
    "LDA": LDA(shrinkage="auto"),
    "NCA": NCA(max_iter=30),
    "LMNN": LMNN(max_iter=60),
}
Floats = NDArray[np.float64]


def pixels(manifest: Manifest) -> Floats:
    """Ink from 0 to 1, [N, 784]."""
    images = [decode(manifest.photo(row), channels=1) for row in range(len(manifest))]
    small = [image.resize((28, 28), Image.Resampling.BOX) for image in images]
    return np.stack([1 - np.asarray(image, np.float64).ravel() / 255 for image in small])


def group_accuracies(manifest: Manifest) -> dict[str, float]:
    """Rank-1 accuracy of each method on the characters of one group."""
    X, labels = pixels(manifest), manifest.labels
    drawers = np.array([int(Path(name).stem.rpartition("_")[2]) for name in manifest.names])
    fitted = drawers <= FITTED_DRAWERS
    reduced = PCA(60, svd_solver="full").fit(X[fitted]).transform(X)

    def accuracy(vectors: Floats, distance: Distance | None = None) -> float:
        found = nearest(vectors[~fitted], vectors[fitted], 1, distance=distance)
        return float((labels[fitted][found.rows[:, 0]] == labels[~fitted]).mean())

    found = {"cosine of the pixels": accuracy(X), "cosine after PCA": accuracy(reduced)}
    for name, metric in METRICS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # steps are limited on purpose
            model = clone(metric).fit(reduced[fitted], labels[fitted])
        found[name] = accuracy(reduced, model.to_distance())
        found[f"{name}, then cosine"] = accuracy(model.transform(reduced))
    return found


def results(*, quick: bool) -> list[Result]:
    data = os.environ.get("LIKEWISE_DATA")
    if not data:
        print("known_classes: skipped; set LIKEWISE_DATA to the folder of real data",
              file=sys.stderr)  # fmt: skip
        return []
    manifest = read_manifest(Path(data) / "omniglot" / "images_background.zip")
    order = np.random.default_rng(0).permutation(len(manifest.identities))
    accuracies: dict[str, list[float]] = {}
    for group in range(3 if quick else GROUPS):
        chosen = order[group * CHARACTERS : (group + 1) * CHARACTERS]
        rows = np.flatnonzero(np.isin(manifest.labels, chosen))
        for method, value in group_accuracies(manifest.take(rows)).items():
            accuracies.setdefault(method, []).append(value)
    plain = accuracies["cosine after PCA"]
    print(f"Omniglot, {CHARACTERS} known characters per group, {len(plain)} groups")
    print(f"{'':34} {'rank-1':>7} {'difference from the cosine after PCA':>38}")
    for method, values in accuracies.items():
        gap = mean_difference(values, plain, range(len(plain)))
        print(f"{method:34} {np.mean(values):7.2%} {f'{gap.mean:+.2%} ± {gap.half:.2%}':>38}")
    gap = mean_difference(accuracies["LMNN"], plain, range(len(plain)))
    holds = gap.mean > 0 and (gap.certain or quick)  # three groups are too few for the interval
    return [row("metrics.omniglot_lmnn_less_cosine", gap.mean, "share", "> 0", holds)]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
