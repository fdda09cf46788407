"""Learned metrics compared with the cosine, on people that were not used to fit them.

LFW, normalized embeddings of the reference network: fitted on the people of View 1's training list,
evaluated on its test pairs; then View 2, fitted for each fold on the people of the other nine.
ORL, pixels reduced by PCA: fitted on 20 people, tested on all pairs of the other 20, five splits.

python -m benchmarks.metrics [--quick] [--json FILE]
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from benchmarks.measure import Result, arguments, report, row
from likewise.data.images import decode
from likewise.data.orl import orl_faces
from likewise.data.pairs import Pairs, draw_pairs, match_names
from likewise.data.protocols import read_pairs
from likewise.evaluation.intervals.paired_bootstrap import paired_bootstrap
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.evaluation.verification.lfw_accuracy import fold_accuracy
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.metriclearn import (
    LDA,
    LMNN,
    NCA,
    InverseCovariance,
    JointBayesian,
    LinearMetric,
    WithinClassWhitening,
)

Floats = NDArray[np.float64]
Names = NDArray[np.str_]

PAIRWISE = ("LMNN", "NCA")  # time grows with N²: at most CAP photos of each person
CAP = 4
RESAMPLES = 1000
METRICS: dict[str, LinearMetric] = {
    "InverseCovariance": InverseCovariance(),
    "RCA": WithinClassWhitening(),
    "WCCN": WithinClassWhitening(weighting="classes"),
    "LDA": LDA(),
    "NCA": NCA(max_iter=30),
    "LMNN": LMNN(max_iter=50),
    "JointBayesian": JointBayesian(),
}


class Measured(NamedTuple):
    """The scores of the pairs by one method: its own score, or the cosine after it."""

    method: str
    scores: Floats


def cosine(X: Floats, pairs: Pairs) -> Floats:
    return pair_scores(X, np.asarray(pairs.left), np.asarray(pairs.right))


def scored(
    X: Floats, people: Names, fit: NDArray[np.bool_], pairs: Pairs, names: Iterable[str]
) -> list[Measured]:
    """The scores by each metric, fitted on the rows ``fit``, which have no person of ``pairs``."""
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    assert not set(people[fit]) & {*people[left], *people[right]}, (
        "a test person is in the training data"
    )
    found = [
        Measured("cosine", cosine(X, pairs)),
        Measured("cosine less the training mean", cosine(X - X[fit].mean(axis=0), pairs)),
    ]
    for name in names:
        rows = np.flatnonzero(fit)
        if name in PAIRWISE:
            rows = capped(rows, people)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # the iterations are limited on purpose
            metric = clone(METRICS[name]).fit(X[rows], people[rows])
        found.append(Measured(name, metric.score_pairs(X[left], X[right])))
        found.append(Measured(f"{name}, then cosine", cosine(metric.transform(X), pairs)))
    return found


def capped(rows: NDArray[np.intp], people: Names) -> NDArray[np.intp]:
    """The first ``CAP`` photos of each person with two or more."""
    of = [rows[people[rows] == name][:CAP] for name in np.unique(people[rows])]
    return np.concatenate([photos for photos in of if len(photos) > 1])


def auc_gap_interval(
    scores: Floats, plain: Floats, pairs: Pairs, people: Names
) -> tuple[float, float]:
    """95 % confidence interval of the AUC minus that of the cosine, by a paired bootstrap."""
    _, codes = np.unique(people, return_inverse=True)
    left, right = codes[np.asarray(pairs.left)], codes[np.asarray(pairs.right)]
    own = scored_pairs(scores, pairs.same, left, right)
    found = paired_bootstrap(own, plain, (), replicates=RESAMPLES)
    return found.auc.low, found.auc.high


def lfw(folder: Path) -> tuple[Floats, list[str], Names]:
    """Unit vectors, their files, and the person in each."""
    vectors = np.load(folder / "reference_embeddings_128.npy").astype(np.float64)
    files = (folder / "reference_embeddings_files.txt").read_text().splitlines()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, files, np.array([file.partition("/")[0] for file in files])


def view1(folder: Path, names: Iterable[str]) -> list[Result]:
    X, files, people = lfw(folder)
    listed = (folder / "protocol" / "peopleDevTrain.csv").read_text().splitlines()[1:]
    fit = np.isin(people, [line.partition(",")[0] for line in listed])
    pairs, _ = match_names(read_pairs(folder / "protocol" / "pairsDevTest.txt"), files)
    print(f"\nLFW View 1: fitted on {len(set(people[fit])):,} people, {len(pairs):,} test pairs")
    print(f"{'':34} {'AUC':>8} {'less the cosine, 95 %':>24} {'EER':>7}")
    found = scored(X, people, fit, pairs, names)
    aucs = {}
    for method, scores in found:
        measured = verification(scores, pairs.same)
        low, high = auc_gap_interval(scores, found[0].scores, pairs, people)
        gap = f"{low:+.4f} to {high:+.4f}" if method != "cosine" else ""
        print(f"{method:34} {measured.auc:8.4f} {gap:>24} {measured.eer:7.2%}")
        aucs[method] = measured.auc
    return [gained("metrics.lfw_view1_rca_less_cosine", aucs["RCA"] - aucs["cosine"], "AUC")]


def view2(folder: Path, names: Iterable[str]) -> list[Result]:
    X, files, people = lfw(folder)
    pairs, _ = match_names(read_pairs(folder / "protocol" / "pairs.txt"), files)
    totals: dict[str, Floats] = {}
    for fold in np.unique(pairs.fold):
        inside = pairs.fold == fold
        left, right = np.asarray(pairs.left)[inside], np.asarray(pairs.right)[inside]
        part = Pairs(left, right, pairs.same[inside], pairs.fold[inside])
        fit = ~np.isin(people, np.union1d(people[left], people[right]))
        for method, scores in scored(X, people, fit, part, names):
            totals.setdefault(method, np.empty(len(pairs)))[inside] = scores
    print(f"\nLFW View 2: ten folds, {len(pairs):,} pairs, fitted on the people of other folds")
    print(f"{'':34} {'accuracy':>8} {'± s.e.':>7} {'better in folds':>16} {'AUC':>8}")
    plain = np.array(fold_accuracy(totals["cosine"], pairs.same, pairs.fold).accuracies)
    means = {}
    for method, scores in totals.items():
        folds = fold_accuracy(scores, pairs.same, pairs.fold)
        ahead = np.array(folds.accuracies) - plain
        count = f"{(ahead > 0).sum()}, worse in {(ahead < 0).sum()}" if ahead.any() else ""
        auc = np.mean([
            verification(scores[pairs.fold == f], pairs.same[pairs.fold == f]).auc
            for f in np.unique(pairs.fold)
        ])  # fmt: skip
        print(f"{method:34} {folds.mean:8.2%} {folds.standard_error:7.2%} {count:>16} {auc:8.5f}")
        means[method] = folds.mean
    return [gained("metrics.lfw_view2_rca_less_cosine", means["RCA"] - means["cosine"], "share")]


def orl(splits: int) -> list[Result]:
    manifest = orl_faces()
    paths, people = (manifest.table[c].to_pylist() for c in ("path", "identity"))
    pixels = np.stack([
        np.asarray(decode(manifest.root / path, channels=1).resize((46, 56)), np.float64).ravel()
        for path in paths
    ])  # fmt: skip
    labels = np.unique(people, return_inverse=True)[1]
    aucs: dict[str, list[float]] = {}
    for seed in range(splits):
        chosen = np.random.default_rng(seed).permutation(labels.max() + 1)[:20]
        fit = np.isin(labels, chosen)
        drawn = draw_pairs(labels[~fit].astype(np.int64))
        rows = np.flatnonzero(~fit)
        pairs = Pairs(rows[drawn.left], rows[drawn.right], drawn.same, drawn.fold)
        by_pca = PCA(60, svd_solver="full").fit(pixels[fit]).transform(pixels)
        by_pca /= np.sqrt(np.mean(by_pca[fit] ** 2) * 60)  # mean square length 1
        found = [Measured("cosine of the pixels", cosine(pixels, pairs))]
        for method, scores in scored(by_pca, np.array(people), fit, pairs, METRICS)[1:]:
            name = "cosine after PCA" if method.startswith("cosine") else method
            found.append(Measured(name, scores))
        for method, scores in found:
            aucs.setdefault(method, []).append(verification(scores, drawn.same).auc)
    print(f"\nORL pixels: fitted on 20 people, evaluated on the other 20; {splits} splits")
    print(f"{'':34} {'AUC':>8} {'s.d.':>7} {'better in splits':>17}")
    plain = np.array(aucs["cosine of the pixels"])
    for method, values in aucs.items():
        wins = int((np.array(values) > plain).sum())
        spread = np.std(values, ddof=1) if splits > 1 else 0.0
        print(f"{method:34} {np.mean(values):8.4f} {spread:7.4f} {f'{wins} of {splits}':>17}")
    gaps = {m: float(np.mean(aucs[m]) - plain.mean()) for m in ("RCA", "LDA", "JointBayesian")}
    return [
        row(f"metrics.orl_{method.lower()}_less_pixels", gap, "AUC", ">= 0.02", gap >= 0.02)
        for method, gap in gaps.items()
    ]


def gained(name: str, gap: float, unit: str) -> Result:
    """The gain of a metric on good embeddings. It has no bar, since it may be negative."""
    return row(name, float(gap), unit)


def results(*, quick: bool) -> list[Result]:
    start = time.perf_counter()
    found = orl(2 if quick else 5)
    named = os.environ.get("LIKEWISE_DATA")
    folder = Path(named) / "lfw" if named else None
    if folder is None or not folder.is_dir():
        print("\nLFW is skipped: set LIKEWISE_DATA to the folder of real data that holds lfw/")
        return found
    names = [n for n in METRICS if n not in ("LMNN", "JointBayesian")] if quick else [*METRICS]
    found += view1(folder, names)
    if not quick:
        found += view2(folder, names)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
