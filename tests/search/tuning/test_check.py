"""The check of an index: it holds on the day it was built, and says so when it no longer does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.tuning.aim import Aim
from likewise.search.tuning.check import check
from likewise.search.tuning.drift import shift_of
from likewise.search.tuning.evidence import Evidence
from likewise.search.tuning.labels import labels_among, labels_of
from likewise.search.tuning.probes import given_probes
from likewise.search.tuning.recall import Recall
from likewise.search.tuning.tune import tune
from tests.search.faces import faces

VECTORS, LABELS = faces(300)


@pytest.fixture
def index() -> Index:
    tuning = tune(VECTORS, LABELS, aim=Aim(recall=0.9, latency=10.0))
    return tuning.build(VECTORS, items=pa.table({"identity": LABELS.astype(str)}))


def test_it_holds_on_the_day_it_was_built(index: Index) -> None:
    for probes in (None, given_probes(faces(300, 1, seed=4)[0])):
        found = check(index, probes)
        assert found.holds
        assert found.recalls["recall"].value == 1.0
        assert found.sampled == (probes is None)
        assert found.count == found.count_then == 3000
    assert found.to_dict()["holds"] is True


def test_a_worse_index_fails_on_new_queries_and_on_its_own(index: Index) -> None:
    worse = Index.build(
        VECTORS, family="ivf_flat", settings={"lists": 64}, search_settings={"probes": 1},
        items=index.items,
    )  # fmt: skip
    worse.evidence = index.evidence
    given = check(worse, given_probes(faces(300, 1, seed=4)[0]))
    assert "0.9 was asked" in given.failures[0]
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
    assert "other data than then" in drift
    strangers, _ = faces(500, 1, seed=12)
    assert "other data" not in " ".join(check(index, given_probes(strangers)).drift)
    noisy = given_probes(VECTORS[::4] + 0.12 * np.random.default_rng(0).normal(size=(750, 32)))
    assert "other data than then" in " ".join(check(index, noisy).drift)


def test_mahalanobis_is_checked_in_its_own_space() -> None:
    from likewise.distances.mahalanobis import Mahalanobis

    matrix = np.diag(np.linspace(0.5, 2, 32))
    index = Index.build(VECTORS, metric=Mahalanobis(matrix))
    assert check(index, recall=0.99).holds
    assert check(index, given_probes(VECTORS[:50] + 0.01), recall=0.99).holds


def test_wrong_input(index: Index) -> None:
    with pytest.raises(InputError, match="above 0 and below 1; got 2"):
        check(index, recall=2)
    with pytest.raises(InputError, match="queries: row 0 is zero"):
        check(index, given_probes(np.zeros((1, index.dimension))))
    with pytest.raises(InputError, match="nothing to search for"):
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
