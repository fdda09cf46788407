"""Identification and retrieval at scale, compared with the bare computation that they need.

python -m benchmarks.evaluation [--quick] [--json FILE]

Identification: 4,096 probes × 1 M × 128 against the matrix product and torch's top-k, in blocks.
Retrieval: 60 k × 512, classes as in Stanford Online Products, against one exact faiss k-NN pass
with BLAS, and against pytorch-metric-learning, each on the whole set. Probes are processed in
parts, and the sides take turns, so that load on the machine affects all sides alike. MegaFace: the
time for LFW's probes among synthetic distractors.

NumPy, faiss and torch each have a BLAS of their own, which is printed. open-metric-learning is left
out, since it needs an old NumPy and some twenty packages.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from threadpoolctl import threadpool_info

from benchmarks.measure import Result, arguments, interleaved, peak_gib, report, row
from likewise.evaluation.identification.closed_set import identification
from likewise.evaluation.retrieval.metrics import retrieval

Vectors = NDArray[np.float32]

PROBES, GALLERY, RANKS = 4_096, 1_000_000, 20
SAMPLES, CLASSES, KS = 60_000, 11_316, (1, 10, 20)
BLOCK = 256  # probes of the bare product in one block: 1 GiB of scores


def drawn(rows: int, dimension: int) -> Vectors:
    return np.random.default_rng(0).standard_normal((rows, dimension), dtype=np.float32)


def by_parts(sides: list[Callable[[slice], object]], parts: list[slice]) -> list[list[float]]:
    """Seconds of each side on each part, the sides taking turns, after a warm-up."""
    seconds: list[list[float]] = [[] for _ in sides]
    for side in sides:
        side(slice(parts[0].start, parts[0].start + 64))
    for number, part in enumerate(parts):
        turn = list(zip(sides, seconds, strict=True))
        for side, found in turn if number % 2 else reversed(turn):
            start = time.perf_counter()
            side(part)
            found.append(time.perf_counter() - start)
    return seconds


def parts_of(count: int, size: int, rounds: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)][:rounds]


def ratio(ours: list[float], theirs: list[float]) -> float:
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def bare(probes: Vectors, gallery: Vectors, *, k: int) -> None:
    """The matrix product and top-k, or only the product if k is 0."""
    for start in range(0, len(probes), BLOCK):
        scores = probes[start : start + BLOCK] @ gallery.T  # the faster of NumPy and torch here
        if k:
            torch.from_numpy(scores).topk(k, dim=1)


def identify(rounds: int, gallery_rows: int) -> list[Result]:
    gallery, probes = drawn(gallery_rows, 128), drawn(PROBES, 128) + 1
    people, who = np.arange(gallery_rows), np.arange(PROBES) * 3
    sides: list[Callable[[slice], object]] = [
        lambda p: identification(probes[p], who[p], gallery, people, ranks=(1, RANKS)),
        lambda p: bare(probes[p], gallery, k=RANKS),
        lambda p: bare(probes[p], gallery, k=0),
    ]
    ours, both, product = by_parts(sides, parts_of(PROBES, 1_024, rounds))
    value = ratio(ours, both)
    print(f"identification: {sum(ours):.1f} s; product and top-k {sum(both):.1f} s")
    return [
        row("evaluation.identify_vs_gemm", value, "×", "<= 1.5", value <= 1.5),
        row("evaluation.identify_vs_product_alone", ratio(ours, product), "×"),
    ]


def identify_memory(gallery_rows: int) -> Result:
    """Memory beyond the vectors: peak of a run minus the peak of the setup alone.

    The bar is a twentieth of the score matrix of 4,096 × 1 M.
    """
    setup = (
        "import numpy as np\nfrom benchmarks.evaluation import drawn, PROBES\n"
        "from likewise.evaluation.identification.closed_set import identification\n"
        f"g, p = drawn({gallery_rows}, 128), drawn(PROBES, 128)\n"
    )
    work = "identification(p, np.arange(PROBES), g, np.arange(len(g)))\n"
    value = peak_gib(setup + work) - peak_gib(setup)
    return row("evaluation.identify_extra_gib", value, "GiB", "<= 0.75", value <= 0.75)


def retrieve(rounds: int, samples: int) -> list[Result]:
    x = drawn(samples, 512)
    random = np.random.default_rng(1)
    labels = random.integers(0, CLASSES * samples // SAMPLES, samples)
    x += np.random.default_rng(2).standard_normal((CLASSES, 512), dtype=np.float32)[labels]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    k = max(*KS, int(np.bincount(labels).max()) - 1) + 1  # the query itself is among them
    faiss.cvar.distance_compute_blas_threshold = (
        10  # with this few numbers in the queries: always BLAS
    )
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k=k - 1, device=torch.device("cpu"),
    )  # fmt: skip
    sides: list[Callable[[], object]] = [
        lambda: retrieval(x, labels, ks=KS),
        lambda: faiss.knn(x, x, k, metric=faiss.METRIC_INNER_PRODUCT),
        lambda: calculator.get_accuracy(x, labels),
    ]
    ours, knn, peer = interleaved(sides, rounds)
    print(f"retrieval: {median(ours):.1f} s; faiss k-NN, k = {k}, {median(knn):.1f} s")
    value, speed = ratio(ours, knn), ratio(peer, ours)
    if samples < SAMPLES:  # the bars hold for the full size, where fixed costs matter less
        return [
            row("evaluation.retrieval_vs_faiss_20k", value, "×"),
            row("evaluation.retrieval_speed_over_pml_20k", speed, "×"),
        ]
    return [
        row("evaluation.retrieval_vs_faiss", value, "×", "<= 1.3", value <= 1.3),
        row("evaluation.retrieval_speed_over_pml", speed, "×", ">= 1", speed >= 1),
    ]


def megaface_of_lfw(data: Path, count: int) -> list[Result]:
    """LFW's people with 8 to 12 photos among synthetic distractors."""
    from benchmarks.synthetic_distractors import synthetic_distractors
    from likewise.data.embeddings import read_embeddings
    from likewise.evaluation.identification.megaface import megaface

    lfw = data / "lfw"
    stored = lfw / "reference_embeddings_128.npy"
    embeddings = read_embeddings(stored, lfw / "reference_embeddings_files.txt")
    labels = embeddings.labels
    of_each = np.bincount(labels)[labels]
    probes = (of_each >= 8) & (of_each <= 12)
    one_each = np.setdiff1d(np.unique(labels, return_index=True)[1], np.flatnonzero(probes))
    distractors = synthetic_distractors(embeddings.vectors[one_each], count)
    start = time.perf_counter()
    curve = megaface(embeddings.vectors[probes], labels[probes], distractors).raw
    seconds = time.perf_counter() - start
    print(f"MegaFace: {curve.probes:,} probes of LFW, {curve.searches:,} searches")
    for point in curve.points:
        tar = "cannot be measured" if point.tar is None else f"{point.tar:.4f}"
        print(f"  {point.distractors:9,} rank-1 {point.rates[1]:.4f}  TAR at FAR 1e-6 {tar}")
    return [row("evaluation.megaface_s", seconds, "s")]


def kernels() -> None:
    """Print the BLAS and kernel of each library; environment variables can select old kernels."""
    for found in threadpool_info():
        if found["user_api"] == "blas":
            owner = Path(found["filepath"]).parent.name
            kernel = found.get("architecture", "its own choice")
            print(f"BLAS of {owner}: {found['internal_api']} {found['version']}, {kernel}")
    print(f"torch: MKL {torch.backends.mkl.is_available()}, {torch.get_num_threads()} threads")


def results(*, quick: bool) -> list[Result]:
    kernels()
    gallery, samples = (200_000, 20_000) if quick else (GALLERY, SAMPLES)
    found = identify(2 if quick else 4, gallery)
    found.append(identify_memory(gallery))
    found += retrieve(3 if quick else 5, samples)
    data = os.environ.get("LIKEWISE_DATA")
    if data:
        found += megaface_of_lfw(Path(data), 20_000 if quick else 1_000_000)
    else:
        print("megaface: skipped: set LIKEWISE_DATA to the folder of real data", file=sys.stderr)
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
