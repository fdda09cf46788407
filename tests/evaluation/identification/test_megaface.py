"""MegaFace's protocol against a plain loop, one mate at a time among the distractors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.synthetic_distractors import synthetic_distractors

from likewise.data.embeddings import read_embeddings
from likewise.distances import Dot
from likewise.errors import InputError
from likewise.evaluation.identification.megaface import MegaFaceCurve, TopScores, megaface
from likewise.evaluation.nearest import score_blocks


def check(
    found: MegaFaceCurve, p: np.ndarray, people: np.ndarray, among: list[np.ndarray], far: float
) -> None:
    searches = [
        (i, j) for i in range(len(p)) for j in range(len(p)) if i != j and people[i] == people[j]
    ]
    assert found.searches == len(searches)
    probes = sorted({i for i, _ in searches})
    assert found.probes == len(probes)
    for point, d in zip(found.points, among, strict=True):
        assert point.distractors == len(d)
        for k, rate in point.rates.items():
            hits = [sum(p[i] @ x >= p[i] @ p[j] for x in d) < k for i, j in searches]
            assert rate == pytest.approx(np.mean(hits))
        impostors = [p[i] @ x for i in probes for x in d]
        best = 0.0
        for t in {p[i] @ p[j] for i, j in searches}:
            if sum(s >= t for s in impostors) <= far * len(impostors) + 1e-9:
                best = max(best, float(np.mean([p[i] @ p[j] >= t for i, j in searches])))
        if far * len(impostors) < 1 - 1e-9:
            assert point.tar is None
        else:
            assert point.tar == pytest.approx(best)
            assert point.threshold is not None
            assert sum(s >= point.threshold for s in impostors) <= far * len(impostors) + 1e-9


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("far", [0.01, 0.1, 1.0])
def test_against_a_plain_loop(seed: int, far: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_blocks, "GALLERY_ROWS", 7)
    monkeypatch.setattr(score_blocks, "QUERY_ROWS", 4)
    random = np.random.default_rng(seed)
    p = random.integers(-3, 4, (11, 3)).astype(np.float32)
    people = random.integers(0, 4, 11)
    d = random.integers(-3, 4, (40, 3)).astype(np.float32)
    names = [f"p{i}" for i in range(11)]
    strangers = [f"d{i}" for i in range(40)]
    found = megaface(
        p, people, d, counts=[1, 9, 30, 500], ranks=(1, 2, 10), far=far, distance=Dot(), seed=seed,
        names=names, distractor_names=strangers,
        noisy=["p3", "unknown"], noisy_distractors=[f"d{i}" for i in range(0, 40, 3)],
    )  # fmt: skip
    order = np.random.default_rng(seed).permutation(40)
    sizes = (1, 9, 30, 40)
    check(found.raw, p, people, [d[order[:n]] for n in sizes], far)
    assert found.cleaned is not None
    assert (found.noisy_probes, found.noisy_distractors) == (1, 14)
    kept = np.arange(11) != 3
    left = [d[[j for j in order[:n] if j % 3]] for n in sizes]
    check(found.cleaned, p[kept], people[kept], [x for x in left if len(x)], far)


def test_two_mates_are_never_rivals() -> None:
    """The second mate is nearer than the first: with both in the gallery the first would lose."""
    found = megaface(
        [[1.0, 0.0], [1.0, 0.01], [1.0, 0.5]], [1, 1, 1], [[0.0, 1.0], [-1.0, 0.0]], counts=[2]
    )
    assert found.raw.points[0].rates[1] == 1.0


def test_a_tie_counts_against_the_mate() -> None:
    found = megaface(np.ones((2, 2)), [0, 0], np.ones((3, 2)), counts=[3], ranks=[1, 3, 4])
    assert found.raw.points[0].rates == {1: 0.0, 3: 0.0, 4: 1.0}
    assert found.cleaned is None
    assert json.loads(json.dumps(found.to_dict()))["raw"]["points"][0]["tar"] is None


def test_lfw_among_real_and_synthetic_distractors(shared_data: Path) -> None:
    lfw = shared_data / "lfw"
    embeddings = read_embeddings(
        lfw / "reference_embeddings_128.npy", lfw / "reference_embeddings_files.txt"
    )
    labels, counts = embeddings.labels, np.bincount(embeddings.labels)
    probes = np.flatnonzero((counts[labels] >= 8) & (counts[labels] <= 12))[:300]
    one_each = np.unique(labels, return_index=True)[1]
    real = np.setdiff1d(one_each, np.flatnonzero(np.isin(labels, labels[probes])))
    curves = [
        megaface(embeddings.vectors[probes], labels[probes], d, counts=[100, 5_000], far=1e-5).raw
        for d in (embeddings.vectors[real], synthetic_distractors(embeddings.vectors[real], 5_000))
    ]
    for few, many in (curve.points for curve in curves):
        assert few.rates[1] >= many.rates[1] > 0.93
        assert few.tar is None
        assert many.tar is not None
        assert many.tar > 0.9
    ours, theirs = (curve.points[-1].rates[1] for curve in curves)
    assert ours == pytest.approx(theirs, abs=0.02)  # drawn ones are a little easier


def test_synthetic_distractors_have_the_requested_statistics() -> None:
    random = np.random.default_rng(0)
    real = random.normal(size=(500, 4)) @ random.normal(size=(4, 6)) + 3
    drawn = synthetic_distractors(real, 100_000, seed=1)
    np.testing.assert_allclose(drawn.mean(axis=0), real.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(real.T), atol=0.2)
    with pytest.raises(InputError, match="at least 2"):
        synthetic_distractors(real[:1], 10)


def test_top_scores_against_sorting() -> None:
    random = np.random.default_rng(0)
    top, seen = TopScores(20), []
    for _ in range(30):
        block = torch.from_numpy(random.integers(-9, 9, (3, 5)).astype(np.float32))
        top.add(block)
        seen += block.flatten().tolist()
    for accepted in range(20):
        threshold = top.above(accepted)
        assert sum(s >= threshold for s in seen) <= accepted
        lower = float(np.nextafter(np.float32(threshold), np.float32(-math.inf)))
        assert sum(s >= lower for s in seen) > accepted


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labels": [0, 1]}, "no probe has a mate"),
        ({"labels": [0]}, "labels"),
        ({"distractors": [[math.nan, 1.0]]}, "distractors: row 0"),
        ({"distractors": [[1.0, 1.0, 1.0]]}, "dimensions 2 and 3"),
        ({"counts": [0]}, "counts: 0; must be a whole number of at least 1"),
        ({"ranks": []}, "ranks: empty"),
        ({"far": 0.0}, "far: 0.0; must be a number above 0"),
        ({"noisy": ["x"]}, "needs the name of each of 2"),
        ({"noisy": ["x"], "names": ["a", "b"]}, "named like 'a'"),
        ({"noisy_distractors": ["x"], "distractor_names": ["x"]}, "none is left"),
    ],
)
def test_wrong_use(change: dict[str, object], problem: str) -> None:
    settings = {"probes": np.eye(2), "labels": [0, 0], "distractors": [[1.0, 1.0]]}
    with pytest.raises(InputError, match=problem):
        megaface(**(settings | change))
