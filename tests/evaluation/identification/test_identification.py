"""Closed-set and open-set identification against a plain loop and on real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.embeddings import read_embeddings
from likewise.distances import Dot
from likewise.errors import InputError
from likewise.evaluation.identification import probe_scores as module
from likewise.evaluation.identification.closed_set import closed_set, identification
from likewise.evaluation.identification.enrolment import draw_enrolment
from likewise.evaluation.identification.open_set import open_set
from likewise.evaluation.identification.probe_scores import probe_scores
from likewise.evaluation.nearest import score_blocks
from tests.evaluation.grids import apart, labeled

GALLERIES = labeled(2, 12, labels=4).filter(lambda rows: len({label for _, label in rows}) > 1)


@settings(deadline=None, max_examples=100)
@given(labeled(1, 8, labels=6), GALLERIES, st.integers(1, 4), st.sampled_from([0.2, 0.5, 1.0]))
def test_against_a_plain_loop(probes: list, gallery: list, max_rank: int, target: float) -> None:
    (p, who), (g, enrolled) = apart(probes), apart(gallery)
    people = set(enrolled.tolist())
    limit = len(people) - 1
    with pytest.MonkeyPatch.context() as patch:
        for place in (score_blocks, module):
            patch.setattr(place, "GALLERY_ROWS", 12)
        patch.setattr(score_blocks, "QUERY_ROWS", 3)
        scored = probe_scores(p, who, g, enrolled, limit=max(4, max_rank), distance=Dot())
    ranks, mates, alarms = [], [], []
    for vector, label in zip(p, who, strict=True):
        best = {
            name: max(vector @ g[j] for j in np.flatnonzero(enrolled == name)) for name in people
        }
        if label in people:
            mates.append(best[label])
            ranks.append(1 + sum(best[o] >= best[label] for o in people - {label}))
        else:
            alarms.append(max(best.values()))
    assert scored.mated.sum() == len(mates)
    np.testing.assert_array_equal(scored.mate[scored.mated], mates)
    np.testing.assert_array_equal(scored.rank[scored.mated], ranks)
    np.testing.assert_array_equal(scored.best_other[~scored.mated], alarms)
    if not mates:
        with pytest.raises(InputError, match="no probe's identity"):
            closed_set(scored, [1])
        return
    found = closed_set(scored, [1, len(people), 99])
    assert found.rates[1] == np.mean([r == 1 for r in ranks])
    assert found.rates[len(people)] == found.rates[99] == 1.0
    assert found.cmc.tolist() == [np.mean([r <= k for r in ranks]) for k in range(1, limit + 1)]
    if not alarms:
        with pytest.raises(InputError, match="every probe has a mate"):
            open_set(scored)
        return
    max_rank = min(max_rank, limit)
    entry = open_set(scored, fpirs=[target], max_rank=max_rank).tpir_at_fpir[0]
    best_tpir = 0.0
    for t in [*mates, *alarms, 99.0]:
        if sum(a >= t for a in alarms) / len(alarms) <= target + 1e-12:
            hits = [m >= t and r <= max_rank for m, r in zip(mates, ranks, strict=True)]
            best_tpir = max(best_tpir, float(np.mean(hits)))
    if target * len(alarms) < 1:
        assert entry.tpir is None
    else:
        assert entry.tpir == pytest.approx(best_tpir)
        assert entry.fpir is not None
        assert entry.threshold is not None
        assert entry.fpir == sum(a >= entry.threshold for a in alarms) / len(alarms) <= target


def test_small_blocks_are_cut_between_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    enrolled = random.integers(0, 60, 400)
    g = random.integers(-3, 4, (400, 3)).astype(np.float32)
    p, who = g[:90] + 1, enrolled[:90]
    whole = probe_scores(p, who, g, enrolled, distance=Dot())
    for place in (score_blocks, module):
        monkeypatch.setattr(place, "GALLERY_ROWS", 17)
    monkeypatch.setattr(score_blocks, "QUERY_ROWS", 40)
    parts = probe_scores(p, who, g, enrolled, distance=Dot())
    for name in ("mate", "best_other", "rank"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    with pytest.raises(InputError, match="pool them first"):
        probe_scores(p, who, g, np.arange(400) % 2, distance=Dot())


def test_the_false_positive_rate_is_of_people_not_of_pairs() -> None:
    """Ten strangers, each with one lookalike among 100: at the lookalikes' score, FPIR is 1.

    Of pooled pairs, the false accept rate there would be 0.01.
    """
    g = np.eye(100)
    strangers = np.repeat(np.eye(100)[:10], 1, axis=0) * 0.9 + 0.01
    p = np.concatenate([strangers, np.eye(100)[50:60]])
    found = identification(
        p, [f"s{i}" for i in range(10)] + [f"{i}" for i in range(50, 60)],
        g, [f"{i}" for i in range(100)], fpirs=(0.5, 1.0), distance=Dot(),
    )  # fmt: skip
    assert found.open is not None
    half, whole = found.open.tpir_at_fpir
    assert (half.tpir, half.fpir) == (1.0, 0.0)
    assert half.threshold == 1.0
    curve = found.open.det
    assert curve.false_positive[curve.threshold <= 0.92].min() == 1.0
    assert whole.tpir == 1.0


def test_non_mated_probes_with_the_highest_scores_leave_no_tpir() -> None:
    found = identification(
        [[1.0, 0.0], [0.0, 1.0], [9.0, 0.0], [9.0, 0.0]], ["a", "b", "x", "y"],
        np.eye(2), ["a", "b"], fpirs=(0.1, 0.5), distance=Dot(),
    )  # fmt: skip
    assert found.open is not None
    unmeasurable, shared = found.open.tpir_at_fpir
    assert unmeasurable.tpir is None
    assert (shared.tpir, shared.fpir) == (0.0, 0.0)
    assert shared.threshold is not None
    assert shared.threshold > 9
    written = found.to_dict()
    assert written["open_set"]["tpir_at_fpir"][0]["measurable"] is False
    assert written["closed_set"]["left_out_without_mate"] == 2


def test_a_tie_counts_against_the_mate() -> None:
    """A model that maps everything to one point identifies nobody, in whatever order."""
    found = identification(
        np.ones((4, 2)), [0, 1, 2, 3], np.ones((4, 2)), [0, 1, 2, 3], ranks=[1, 3, 4]
    )
    assert found.closed.rates == {1: 0.0, 3: 0.0, 4: 1.0}
    assert found.open is None
    assert found.to_dict()["open_set"] is None


def test_lfw_with_one_photo_enrolled(shared_data: Path) -> None:
    """Against the whole matrix in float64."""
    lfw = shared_data / "lfw"
    embeddings = read_embeddings(
        lfw / "reference_embeddings_128.npy", lfw / "reference_embeddings_files.txt"
    )
    labels = embeddings.labels
    drawn = draw_enrolment(labels, unknown=0.3)
    x = embeddings.vectors.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    p, g = drawn.probes[:1500], drawn.gallery
    found = identification(x[p], labels[p], x[g], labels[g])
    scores = x[p] @ x[g].T
    same = labels[p][:, None] == labels[g]
    mated = same.any(axis=1)
    top = same[np.arange(len(p)), scores.argmax(axis=1)]
    assert found.closed.rates[1] == pytest.approx(top[mated].mean(), abs=1e-9)
    assert found.closed.rates[1] > 0.95
    assert found.open is not None
    assert found.open.non_mated == int((~mated).sum())
    entry = found.open.tpir_at_fpir[0]
    assert entry.threshold is not None
    hits = top & (scores.max(axis=1) >= entry.threshold - 1e-6)
    assert entry.tpir == pytest.approx(hits[mated].mean(), abs=2e-3)


@pytest.mark.parametrize(
    ("who", "enrolled", "ranks", "problem"),
    [
        (["a"], ["b", "c"], [1], "no probe's identity is in the gallery"),
        (["a"], ["a", "a"], [1], "only one identity"),
        (["a", "b"], ["a", "b"], [1], "probe labels: .2. labels for 1 rows"),
        ([1], ["a", "b"], [1], "are numbers, gallery labels are names"),
        (["a"], ["a", "b"], [0], "ranks"),
        (["a"], ["a", "b"], [], "max_rank|ranks"),
    ],
)
def test_wrong_use(who: list, enrolled: list, ranks: list[int], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        identification([[1.0, 0.0]], who, np.eye(2), enrolled, ranks=ranks)


def test_rates_and_ranks_that_were_not_recorded() -> None:
    scored = probe_scores(np.eye(4), [0, 1, 2, 9], np.eye(4), [0, 1, 2, 3], limit=1)
    with pytest.raises(InputError, match="ranks up to 1"):
        closed_set(scored, [2])
    with pytest.raises(InputError, match="max_rank: 2"):
        open_set(scored, max_rank=2)
    with pytest.raises(InputError, match="fpir"):
        open_set(scored, fpirs=[0.0])
    strangers = probe_scores(np.eye(4), [7, 7, 7, 9], np.eye(4), [0, 1, 2, 3])
    with pytest.raises(InputError, match="no TPIR"):
        open_set(strangers)


def test_an_enrolment_separates_photos_and_people() -> None:
    labels = np.repeat(np.arange(20), np.r_[[1] * 3, [4] * 17])
    drawn = draw_enrolment(labels, templates=2, unknown=0.25, seed=3)
    assert sorted([*drawn.gallery, *drawn.probes]) == list(range(len(labels)))
    people, counts = np.unique(labels[drawn.gallery], return_counts=True)
    assert len(people) == 15
    assert set(counts) == {2}
    assert {0, 1, 2}.isdisjoint(people)  # people with one photo are chosen first as unknown
    again = draw_enrolment(labels, templates=2, unknown=0.25, seed=3)
    np.testing.assert_array_equal(again.gallery, drawn.gallery)
    for wrong in ({"templates": 0}, {"unknown": 1.0}, {"templates": 4}, {"unknown": 0.99}):
        with pytest.raises(InputError):
            draw_enrolment(labels, **wrong)
