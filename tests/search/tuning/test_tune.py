"""The tuner: its result is measured again, and what it cannot reach is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from likewise.cli.units import parse_bytes
from likewise.errors import InputError, LikewiseError, MissingExtra
from likewise.search.families import FAMILIES
from likewise.search.index import Index
from likewise.search.tuning.candidate import extrapolated
from likewise.search.tuning.evidence import Evidence, data_fingerprint
from likewise.search.tuning.frontier import Point, frontier
from likewise.search.tuning.halving import sample_sizes
from likewise.search.tuning.probes import given_probes
from likewise.search.tuning.recall import recall_of
from likewise.search.tuning.sweep import between
from likewise.search.tuning.target import Limits, Target
from likewise.search.tuning.tune import tune, tuned_index
from likewise.search.tuning.tuning import Tuning
from likewise.search.tuning.unreachable import rounded_up
from tests.search.faces import faces

VECTORS, LABELS = faces(900)


@pytest.fixture(scope="module")
def tuning() -> Tuning:
    """Exact search is left out by its memory: what it finds does not hang on the machine."""
    return tune(
        VECTORS, LABELS, target=Target(recall=0.9, mates=0.9), families=["pq_fastscan", "ivf_flat"],
        limits=Limits(memory=700_000), count=900,
    )  # fmt: skip


def test_the_pick_reaches_what_was_asked_on_queries_of_its_own(tuning: Tuning) -> None:
    """Measured by a plain loop over another draw of people and photos."""
    index = tuning.build(VECTORS, items=pa.table({"identity": LABELS}))
    # A new photo of each known person, and people who are not there.
    random = np.random.default_rng(5)
    strangers, _ = faces(200, 1, seed=9)
    known = VECTORS[random.permutation(len(VECTORS))[:800]]
    known = known + 0.3 * random.standard_normal(known.shape).astype(np.float32) / np.sqrt(32)
    queries = np.concatenate([known, strangers])
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    _, found = index.search(queries, 10)
    truth = np.argsort(-(queries @ VECTORS.T), axis=1)[:, :10]
    hits = [len(set(ours) & set(true)) for ours, true in zip(found, truth, strict=True)]
    assert np.mean(hits) / 10 > 0.88


def test_the_evidence_says_what_was_measured_and_comes_back(tuning: Tuning, tmp_path: Path) -> None:
    index = tuning.build(VECTORS, np.arange(9000) + 7, items=pa.table({"identity": LABELS}))
    index.save(tmp_path / "index")
    loaded = Index.load(tmp_path / "index")
    evidence = Evidence.from_dict(loaded.evidence)
    assert loaded.family == tuning.pick.family
    assert loaded.settings == dict(tuning.pick.settings)
    assert loaded.search_settings == dict(tuning.pick.search)
    assert evidence.asked == {"recall": 0.9, "mates": 0.9}
    for name, recall in evidence.recalls.items():
        assert recall.low >= evidence.asked[name]
        assert recall.low <= recall.value <= recall.high
    assert evidence.count == 9000
    assert evidence.data == data_fingerprint(VECTORS)
    assert sum(evidence.probes) == 900
    assert evidence.held_out >= 900
    assert set(evidence.own) == {"recall", "mates"}
    assert {"cpu", "cores"} <= set(evidence.machine)
    assert "faiss-cpu" in evidence.versions
    assert Evidence.from_dict(evidence.to_dict()) == evidence


def test_the_points_are_within_the_limits_or_not_picked(tuning: Tuning) -> None:
    assert tuning.pick.memory <= 700_000
    assert tuning.pick.family != "exact"
    best = frontier([point for point in tuning.points if point.family != "exact"])
    assert best == sorted(best, key=lambda point: point.seconds)
    assert tuning.to_dict()["pick"]["family"] == tuning.pick.family
    assert f"--family {tuning.pick.family} " in tuning.command("e.parquet")


def test_exact_search_that_is_fast_enough_is_taken_at_once() -> None:
    found = tune(VECTORS, target=Target(latency=10.0))
    assert found.pick.family == "exact"
    assert "within the 1e+04 ms" in found.reason
    assert found.evidence.recalls["recall"].value == 1.0
    assert len(found.points) == 1


def test_exact_search_that_is_all_call_is_taken_at_once() -> None:
    found = tune(VECTORS[:100], target=Target(recall=0.9))
    assert found.pick.family == "exact"
    assert "the overhead of any search" in found.reason


def test_a_recall_beyond_the_memory_says_the_best_and_what_would_do() -> None:
    with pytest.raises(LikewiseError) as caught:
        tune(
            VECTORS, LABELS, target=Target(recall=0.9), families=["ivf_flat"],
            limits=Limits(memory=300_000), count=200,
        )  # fmt: skip
    line = str(caught.value)
    assert caught.value.exit_code == 1
    assert "\n" not in line
    assert line.startswith("no index within 300KB of memory reaches recall 0.9 at k = 10")
    assert "exact would reach it with --max-memory 1." in line
    needed = parse_bytes("--max-memory", line.rsplit("--max-memory ", 1)[1])
    again = tune(
        VECTORS,
        LABELS,
        target=Target(recall=0.9),
        families=[],
        limits=Limits(memory=needed),
        count=200,
    )
    assert again.pick.family in {*FAMILIES}


def test_the_memory_that_is_advised_is_enough() -> None:
    for count in (1, 999, 1000, 9_994, 57_234, 99_999, 999_999, 57_234_567, 999_999_999, 10**12):
        told = parse_bytes("--max-memory", rounded_up(count))
        assert told is not None
        assert count <= told <= 1.01 * count + 1
    small = faces(20, 5, 8)[0]
    for memory in range(1000, 1200, 40):  # of so small a set the memory is told in tenths of a KB
        with pytest.raises(LikewiseError) as caught:
            tune(small, target=Target(recall=0.5), families=[], limits=Limits(memory=memory))
        needed = parse_bytes("--max-memory", str(caught.value).rsplit("--max-memory ", 1)[1])
        again = tune(small, target=Target(recall=0.5), families=[], limits=Limits(memory=needed))
        assert again.pick.family == "exact"


def test_a_build_that_takes_too_long_is_not_picked() -> None:
    found = tune(
        VECTORS[:3000],
        target=Target(recall=0.9),
        families=["hnsw"],
        limits=Limits(build=1e-6),
        count=200,
    )
    assert found.pick.family == "exact"
    assert all("to build" in why or "a query" in why for why in found.dropped.values())


def test_what_cannot_be_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtra("annoy", "annoy")

    monkeypatch.setattr(FAMILIES["annoy"], "require", staticmethod(missing))
    found = tune(
        VECTORS[:3000], target=Target(latency=10.0), metric="euclidean", families=["annoy", "lsh"]
    )
    assert found.not_tried["annoy"] == "not installed: pip install 'likewise[annoy]'"
    assert found.not_tried["lsh"] == "cannot do euclidean"


def test_an_engine_that_fails_is_dropped_and_the_reason_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("out of luck\nand more")

    monkeypatch.setattr(FAMILIES["ivf_flat"], "build", broken)
    found = tune(VECTORS[:3000], target=Target(recall=0.9), families=["ivf_flat"], count=200)
    assert found.pick.family == "exact"
    assert set(found.dropped.values()) in ({"cannot be built: out of luck"}, set())


def test_a_failed_judgement_falls_back() -> None:
    """No setting reaches 0.9999 for sure on so few probes; exact search does by its nature."""
    found = tune(VECTORS[:2500], target=Target(recall=0.9999), families=["ivf_flat"], count=100)
    assert found.pick.family == "exact"


def test_the_users_own_queries_hold_nothing_out() -> None:
    queries, _ = faces(40, 5, seed=3)
    found = tune(VECTORS, probes=given_probes(queries), target=Target(latency=10.0))
    assert found.evidence.held_out == 0
    assert sum(found.evidence.probes) == 200
    assert found.evidence.count == len(VECTORS)


def test_in_one_step_exact_search_that_is_instant_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likewise.search.tuning.tune.LATENCY", 10.0)
    monkeypatch.setattr(
        "likewise.search.tuning.tune.final_points", lambda *_: pytest.fail("nothing is to be tried")
    )
    assert tuned_index(VECTORS, recall=0.9).family == "exact"


def test_an_index_is_tuned_and_built_in_one_step() -> None:
    index = tuned_index(VECTORS, recall=0.9, family="ivf_flat", seed=1)
    evidence = Evidence.from_dict(index.evidence)
    assert evidence.asked == {"recall": 0.9}
    assert len(index) == len(VECTORS)
    assert index.family in {"ivf_flat", "exact"}
    assert len(tuned_index(np.eye(5), recall=0.9)) == 5  # too few to hold any out: exact


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"recall": 1.0}, "for 1, build an exact index"),
        ({"recall": 0.0}, "recall: 0.0; must be a number above 0 and below 1"),
        ({"target": Target(mates=0.9)}, "mates: needs labels"),
        ({"recall": 0.9, "target": Target()}, "recall, target: give one of them"),
        ({"recall": 0.9, "seed": -1}, "seed: -1; must be a whole number of at least 0"),
        ({"recall": 0.9, "family": "hsnw"}, "did you mean 'hnsw'"),
        ({"recall": 0.9, "metric": "cosin"}, "did you mean 'cosine'"),
    ],
)
def test_wrong_input(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        tuned_index(VECTORS[:300], **arguments)


@pytest.mark.parametrize("name", ["recall", "mates", "k", "batch", "limits", "seed"])
def test_index_build_names_the_tuner(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: .* call tuned_index"):
        Index.build(VECTORS[:30], **{name: 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'links'"):
        Index.build(VECTORS[:30], links=16)


def test_a_tuning_builds_over_its_own_vectors() -> None:
    assert len(tune(VECTORS[:100], recall=0.9).build()) == 100


def test_wrong_vectors_and_targets() -> None:
    bad = VECTORS[:300].copy()
    bad[7, 0] = np.nan
    with pytest.raises(InputError, match="row 7 is not finite"):
        tuned_index(bad, recall=0.9)
    with pytest.raises(InputError, match="have 3 dimensions, the index has 32"):
        tune(VECTORS[:300], probes=given_probes(np.eye(3)))
    with pytest.raises(InputError, match="at least one"):
        Target(recall=None)
    with pytest.raises(InputError, match="max_memory"):
        Limits(memory=0)
    with pytest.raises(InputError, match="no probe has a mate"):
        tune(VECTORS, LABELS, target=Target(recall=None, mates=0.9, threshold=0.999))
    with pytest.raises(InputError, match="damaged"):
        Evidence.from_dict({"format": 1})
    with pytest.raises(InputError, match="not tuned"):
        Evidence.from_dict({})


def test_times_are_carried_by_the_power_that_was_seen() -> None:
    assert extrapolated(8000, [1000], [3.0], guess=1.0, most=1.0) == pytest.approx(24.0)
    assert extrapolated(8000, [1000, 2000], [1.0, 4.0], guess=0.5, most=1.0) == pytest.approx(16.0)
    assert extrapolated(8000, [1000, 2000], [2.0, 1.0], guess=0.5, most=1.0) == pytest.approx(1.0)


def test_samples_grow_to_a_quarter_of_the_whole() -> None:
    for count in (100, 9_000, 50_000, 3_000_000):
        sizes = sample_sizes(count)
        assert sizes == sorted(sizes)
        assert not sizes or sizes[-1] == count // 4


def test_between_two_settings() -> None:
    assert between({"ef": 10}, {"ef": 40}) == {"ef": 20}
    assert between({"probes": 4, "rerank": 4}, {"probes": 16, "rerank": 16}) == {
        "probes": 8, "rerank": 8,
    }  # fmt: skip
    assert between({"ef": 10}, {"ef": 11}) is None
    assert between({"ef": 40}, {"ef": 10}) is None
    assert between({"kind": "a"}, {"kind": "b"}) is None


def test_the_frontier_keeps_what_nothing_beats() -> None:
    random = np.random.default_rng(0)
    points = [
        Point(
            "hnsw", {}, {}, 10, {"recall": recall_of([hits], [9])}, seconds, 1.0, memory
        )
        for hits, seconds, memory in zip(
            random.integers(1, 10, 40).tolist(), random.random(40).tolist(),
            random.integers(1, 9, 40).tolist(), strict=True,
        )
    ]  # fmt: skip
    best = frontier(points)
    for point in points:
        beaten = any(
            other is not point
            and other.recalls["recall"].value >= point.recalls["recall"].value
            and other.seconds <= point.seconds
            and other.memory <= point.memory
            for other in points
        )
        assert beaten != (point in best)


def test_one_folder_of_all_photos_is_no_person() -> None:
    found = tune(VECTORS[:2000], np.zeros(2000, np.int64), target=Target(recall=0.9, latency=10.0))
    assert found.evidence.recalls["recall"].low > 0.9
    assert "mates" not in found.evidence.recalls


def test_the_limit_of_memory_holds_for_all_vectors_those_held_out_too() -> None:
    labels = LABELS[:3000]
    exact = Index.build(VECTORS[:3000])
    limits = Limits(memory=exact.memory_bytes - 1)  # enough for what is searched while tuning
    with pytest.raises(LikewiseError) as caught:
        tune(VECTORS[:3000], labels, target=Target(recall=0.9), families=[], limits=limits)
    advised = str(caught.value).rsplit("--max-memory ", 1)[1]
    memory = parse_bytes("--max-memory", advised)
    assert memory is not None
    assert memory >= exact.memory_bytes
    found = tune(
        VECTORS[:3000], labels, target=Target(recall=0.9), families=[], limits=Limits(memory=memory)
    )
    built = found.build(VECTORS[:3000])
    assert built.evidence["memory"] == exact.memory_bytes <= memory
    assert built.evidence["exact_memory"] == pytest.approx(exact.memory_bytes, rel=1e-3)
