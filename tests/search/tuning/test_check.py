"""The check of an index: it holds on the day it was built, and says so when it no longer does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.tuning.check import check
from likewise.search.tuning.drift import shift_of
from likewise.search.tuning.evidence import Evidence
from likewise.search.tuning.probes import given_probes, labels_among, labels_of
from likewise.search.tuning.recall import Recall
from likewise.search.tuning.target import Target
from likewise.search.tuning.tune import tune, tuned_index
from tests.search.faces import faces

VECTORS, LABELS = faces(300)


@pytest.fixture
def index() -> Index:
    tuning = tune(VECTORS, LABELS, target=Target(recall=0.9, latency=10.0))
    return tuning.build(VECTORS, items=pa.table({"identity": LABELS.astype(str)}))


def test_it_holds_on_the_day_it_was_built(index: Index) -> None:
    for probes in (None, given_probes(faces(300, 1, seed=4)[0])):
        found = check(index, probes)
        assert found.holds
        assert found.recalls["recall"].value == 1.0
        assert found.sampled == (probes is None)
        assert found.count == found.count_then == 3000
    assert found.to_dict()["holds"] is True


def test_ids_below_zero_are_found_as_all_others() -> None:
    ids = np.arange(500) - 250
    exact = Index.build(VECTORS[:500], ids)
    for probes in (None, given_probes(VECTORS[500:600])):
        assert check(exact, probes, recall=0.99).recalls["recall"].value == 1.0


def test_a_worse_index_fails_on_new_queries_and_on_its_own(index: Index) -> None:
    worse = Index.build(
        VECTORS, family="ivf_flat", settings={"lists": 64}, search_settings={"probes": 1},
        items=index.items,
    )  # fmt: skip
    worse.evidence = index.evidence
    given = check(worse, given_probes(faces(300, 1, seed=4)[0]))
    assert "the target is 0.9" in given.failures[0]
    own = check(worse)
    assert not own.holds
    assert own.failures[0].startswith("recall fell to 0.")
    assert own.asked == {}


def test_an_index_that_was_not_tuned_is_held_against_what_is_named() -> None:
    plain = Index.build(VECTORS, family="ivf_flat", settings={"lists": 64})
    low = plain.with_search_settings({"probes": 1})
    assert check(low).holds  # nothing was promised
    assert not check(low, recall=0.99).holds
    assert check(plain.with_search_settings({"probes": 64}), recall=0.99).holds


def test_growth_and_other_data_are_told(index: Index) -> None:
    assert check(index).drift == ()
    more, _ = faces(2000, 1, seed=8, spread=0.1)
    items = pa.table({"identity": [f"new {n}" for n in range(2000)]})
    index.add(more, np.arange(10_000, 12_000), items)
    index.wait()
    drift = " ".join(check(index).drift)
    assert "+67% since it was tuned" in drift
    assert "the data differs" in drift
    strangers, _ = faces(500, 1, seed=12)
    assert "data differs" not in " ".join(check(index, given_probes(strangers)).drift)
    noisy = given_probes(VECTORS[::4] + 0.12 * np.random.default_rng(0).normal(size=(750, 32)))
    told = " ".join(check(index, noisy).drift)
    assert "the data differs" in told
    assert "without identities" in told


def test_mahalanobis_is_checked_in_its_own_space() -> None:
    from likewise.distances.mahalanobis import Mahalanobis

    matrix = np.diag(np.linspace(0.5, 2, 32))
    index = Index.build(VECTORS, metric=Mahalanobis(matrix))
    assert check(index, recall=0.99).holds
    assert check(index, given_probes(VECTORS[:50] + 0.01), recall=0.99).holds


def test_wrong_input(index: Index) -> None:
    with pytest.raises(InputError, match="recall: 2; must be a number above 0 and below 1"):
        check(index, recall=2)
    with pytest.raises(InputError, match="queries: row 0 is zero"):
        check(index, given_probes(np.zeros((1, index.dimension))))
    for drawn in (lambda: check(index, seed=-1), lambda: tune(VECTORS, seed=-1)):
        with pytest.raises(InputError, match="seed: -1; must be a whole number of at least 0"):
            drawn()
    for few in (VECTORS, VECTORS[:5]):
        with pytest.raises(InputError, match="seed: -1; must be a whole number of at least 0"):
            tuned_index(few, recall=0.9, seed=-1)
    with pytest.raises(InputError, match="k: 0; must be a whole number of at least 1"):
        check(index, k=0)
    with pytest.raises(InputError, match="at least two are needed"):
        check(Index.build(np.eye(3)[:1]))
    with pytest.raises(InputError, match="have 3 dimensions"):
        check(index, given_probes(np.eye(3)))
    index.evidence = {"format": 1, "recalls": 3}
    with pytest.raises(InputError, match="damaged"):
        check(index)


def test_the_shift_against_scipy() -> None:
    from scipy.stats import ks_2samp

    random = np.random.default_rng(0)
    for shift in (0.0, 0.05, 0.8):
        then, now = random.normal(size=2000), random.normal(shift, 1, 800)
        quantiles = np.quantile(then, np.linspace(0, 1, 201)).tolist()
        found = shift_of([quantiles], 2000, now.astype(np.float32))
        assert found is not None
        expected = ks_2samp(then, now)
        assert found.distance == pytest.approx(expected.statistic, abs=0.01)
        assert found.chance == pytest.approx(expected.pvalue, abs=0.15)
        assert found.matters == (shift == 0.8)
        mixed = np.r_[now, then + 9].astype(np.float32)
        strangers = np.quantile(then + 9, np.linspace(0, 1, 201)).tolist()
        both = shift_of([quantiles, strangers], 2000, mixed)
        assert both is not None
        assert shift or not both.matters
        assert shift_of([quantiles], 2000, mixed).matters
    assert shift_of([()], 5, np.float32([1])) is None
    one = shift_of([[1.0] * 201], 1000, np.ones(1000, np.float32))
    assert one is not None
    assert one.distance == 0  # all tie: nothing has moved


@pytest.mark.parametrize("photos", [10, 50])
def test_the_photos_of_few_people_are_no_drift(photos: int) -> None:
    """Taken as independent, those of 40 or of 20 people drift in every third, and most cases."""

    def scores(people: int, each: int, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        persons = np.repeat(random.normal(0.55, 0.08, people), each)
        return (persons + random.normal(0, 0.02, people * each)).astype(np.float32)

    then = np.quantile(scores(2000, 1, 1), np.linspace(0, 1, 201)).tolist()
    people = 400 // photos if photos == 10 else 20
    whose = np.repeat(np.arange(people), photos)
    drifts = alone = 0
    for seed in range(100):
        now = scores(people, photos, seed + 2)
        grouped, single = shift_of([then], 2000, now, whose), shift_of([then], 2000, now)
        assert grouped is not None
        assert single is not None
        drifts += grouped.matters
        alone += single.matters
    assert drifts <= 1
    assert alone > 20
    moved = shift_of([then], 2000, scores(people, photos, 5) + 0.2, whose)
    assert moved is not None
    assert moved.matters


def test_evidence_of_before_still_reads(index: Index) -> None:
    old = dict(index.evidence)
    del old["independent"]
    index.evidence = old
    assert check(index).holds
    assert Evidence.from_dict(old).independent is None


def test_another_k_is_not_held_against_what_was_promised(index: Index) -> None:
    """Of one neighbour, an index that looks at few lists misses a larger share than of ten."""
    evidence = Evidence.from_dict(index.evidence)
    high = {"recall": Recall(1.0, 0.999, 1.0, 1000, 10_000)}
    worse = Index.build(
        VECTORS, family="ivf_flat", settings={"lists": 64}, search_settings={"probes": 1},
    )  # fmt: skip
    worse.evidence = replace(evidence, recalls=high, own=high).to_dict()
    for probes in (None, given_probes(faces(300, 1, seed=4)[0])):
        assert not check(worse, probes).holds
        found = check(worse, probes, k=1)
        assert found.holds
        assert (found.stated, found.asked) == (None, {})
        assert "measured at k = 1; it was tuned at k = 10" in found.notes[0]
        assert not check(worse, probes, k=1, recall=0.999).holds


def test_a_recall_that_fell_and_still_is_what_was_asked_is_a_note(index: Index) -> None:
    evidence = Evidence.from_dict(index.evidence)
    above = {"recall": Recall(1.0, 0.9999, 1.0, 1000, 10_000)}
    less = Index.build(
        VECTORS, family="ivf_flat", settings={"lists": 16}, search_settings={"probes": 10},
    )  # fmt: skip
    probes = given_probes(faces(1000, 1, seed=4)[0])
    for asked, holds in ((0.5, True), (check(less, probes).recalls["recall"].value, False)):
        less.evidence = replace(evidence, recalls=above, asked={"recall": asked}).to_dict()
        found = check(less, probes)
        assert found.holds == holds
        assert found.recalls["recall"].high < 0.9999
        told = found.notes if holds else found.failures
        assert told[0].startswith("recall fell to 0.9")
        assert ("it still reaches its target of 0.5" in told[0]) == holds


def test_queries_that_are_indexed_are_left_out_or_refused(index: Index) -> None:
    new = faces(300, 1, seed=4)[0]
    mixed = given_probes(np.concatenate([8 * VECTORS[:100], new]))  # as directions they are equal
    found = check(index, mixed)
    assert found.queries == 300
    assert found.notes[0].startswith("queries: 100 of 400 are equal to an indexed vector")
    for probes in (given_probes(VECTORS), given_probes(np.concatenate([VECTORS[:301], new]))):
        with pytest.raises(InputError, match="give photos that are not indexed"):
            check(index, probes)
        with pytest.raises(InputError, match="give photos that are not indexed"):
            tune(VECTORS, probes=probes)
    tuning = tune(VECTORS, probes=mixed, target=Target(recall=0.9, latency=10.0))
    assert sum(tuning.evidence.probes) == 300
    assert "100 of 400" in tuning.notes[0]
    assert tune(VECTORS, probes=given_probes(new), target=Target(latency=10.0)).notes == ()


def test_labels_are_numbered_alike_on_both_sides() -> None:
    here = pa.table({"identity": ["bob", "anna", None, "bob", None]})
    there = pa.table({"identity": ["anna", "zoe", None]})
    labels = labels_of(here)
    assert labels is not None
    assert labels.tolist() == [1, 0, 2, 1, 3]
    found = labels_among(there, here)
    assert found is not None
    assert found.tolist() == [0, -1, -1]
    assert labels_of(None) is None
    assert labels_of(pa.table({"path": ["a"]})) is None


def test_stated_recalls_come_back_as_they_were(index: Index) -> None:
    evidence = Evidence.from_dict(index.evidence)
    fallen = replace(evidence, recalls={"recall": Recall(0.5, 0.4, 0.6, 10, 100)})
    index.evidence = fallen.to_dict()
    found = check(index, given_probes(faces(100, 1, seed=4)[0]))
    assert found.stated == {"recall": Recall(0.5, 0.4, 0.6, 10, 100)}
    assert found.holds  # better than stated is no failure
