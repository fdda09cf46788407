from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.calibration import Calibration
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint
from likewise.recognition.gallery import Candidate, one_person_once
from likewise.recognition.index_gallery import IndexGallery
from likewise.recognition.people_gallery import PeopleGallery
from likewise.search.index import Index
from tests.recognition.conftest import POINTS

EMBEDDER = Embedder(
    torch.nn.Flatten(),
    Preprocess(8, 8),
    operating_points=[
        OperatingPoint(t, f, 1.0, 1, 1, target=f) for t, f in ((0.3, 1e-2), (0.5, 1e-4))
    ],
    calibration=Calibration("logistic", slope=20.0, intercept=-8.0),
)  # fmt: skip


def unit(count: int, seed: int = 0, dimension: int = 16) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gallery(**options: object) -> PeopleGallery:
    people = ["eva", "anna", "anna", "bob", "bob", "bob"]
    return PeopleGallery(unit(6), people, list("012345"), EMBEDDER, **options)  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize("pooling", ["mean", "best"])
def test_scores_are_those_of_a_plain_loop(pooling: str) -> None:
    vectors, queries = unit(6), unit(4, 1)
    rows = {"anna": [1, 2], "bob": [3, 4, 5], "eva": [0]}
    people = gallery(pooling=pooling, threshold=0.2)
    scores = people.scores(queries)
    assert people.names == list(rows)
    for q, query in enumerate(queries):
        for p, own in enumerate(rows.values()):
            mean = vectors[own].mean(0)
            mean /= np.linalg.norm(mean)
            expected = max(query @ vectors[r] for r in own) if pooling == "best" else query @ mean
            assert scores[q, p] == pytest.approx(expected, abs=1e-5)
    for q, found in enumerate(people.nearest(queries, 2)):
        best = sorted(range(3), key=lambda p: -scores[q, p])[:2]
        assert [some.name for some in found] == [people.names[p] for p in best]
        own = rows[found[0].name]
        assert found[0].photo == str(max(own, key=lambda r: queries[q] @ vectors[r]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4), min_size=1, max_size=4
    )
)  # fmt: skip
def test_nobody_is_on_a_photo_twice_and_the_sum_is_the_largest(scores: list[list[float]]) -> None:
    threshold = 0.5
    faces = [[Candidate(n, s, "") for n, s in zip("abcd", row, strict=True)] for row in scores]
    chosen = one_person_once(faces, threshold)
    names = [some.name for some in chosen if some]
    assert len(names) == len(set(names))
    assert all(some is None or some.score >= threshold for some in chosen)
    gain = sum(some.score - threshold for some in chosen if some)
    best = max(
        sum(max(0.0, scores[face][person] - threshold) for face, person in enumerate(one))
        for one in permutations(range(4), len(scores))
    )
    assert gain == pytest.approx(best, abs=1e-6)


def test_the_second_face_of_a_person_is_not_named_and_says_why() -> None:
    people = gallery(threshold=0.5)
    eva = unit(6)[0]
    near = eva + 0.1 * unit(1, 9)[0]
    faces = np.stack([near / np.linalg.norm(near), eva])
    once = people.identify(faces, same_photo=True)
    assert [one.name for one in once] == [None, "eva"]
    assert once[0].note == "like eva, who is another face of this photo"
    assert [one.name for one in people.identify(faces)] == ["eva", "eva"]  # two photos


def test_the_probability_is_bayes_rule_over_all_people_and_a_stranger() -> None:
    people = gallery(threshold=0.3, prior=0.25)
    assert people.calibration is not None
    query = unit(1, 3)
    (answer,) = people.identify(query)
    ratios = np.exp(20.0 * people.scores(query)[0].astype(float) - 8.0)
    expected = 0.25 / 3 * ratios.max() / (0.75 + (0.25 / 3 * ratios).sum())
    assert answer.probability == pytest.approx(expected, rel=1e-4)


def test_unknown_below_the_threshold_and_known_at_it() -> None:
    query = unit(1, 3)
    score = float(gallery(threshold=0.0).scores(query).max())
    assert gallery(threshold=score - 1e-6).identify(query)[0].name is not None
    below = gallery(threshold=min(1.0, score + 1e-6)).identify(query)[0]
    assert below.name is None
    assert below.score == pytest.approx(score)
    assert below.second is not None
    assert below.second.score < score


def test_poor_photos_are_left_out_and_two_poor_faces_prove_nothing() -> None:
    vectors = unit(3)
    poor = [True, False, True]
    people = PeopleGallery(
        vectors, ["a", "a", "b"], list("012"), EMBEDDER, poor=poor, threshold=0.4
    )
    assert people.identify(vectors[:1])[0].score == pytest.approx(
        max(float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])), abs=1e-5
    )
    assert people.identify(vectors[2:])[0].name == "b"
    unsure = people.identify(vectors[2:], poor=[True])[0]
    assert unsure.name is None
    assert "all photos of b are poor" in unsure.note


def test_the_default_threshold_follows_from_the_size() -> None:
    mean, best = gallery(), gallery(pooling="best")
    assert (mean.threshold.comparisons, best.threshold.comparisons) == (3, 6)
    assert mean.threshold.fpir == pytest.approx(0.01)
    assert best.threshold.threshold > mean.threshold.threshold


def test_an_index_answers_like_the_best_photo() -> None:
    vectors = unit(200)
    people = [f"p{row % 23}" for row in range(200)]
    items = pa.table({"path": [str(row) for row in range(200)], "identity": people})
    index = Index.build(vectors, items=items, fingerprint=EMBEDDER.fingerprint)
    by_index = IndexGallery(index, EMBEDDER, "index")
    memory = PeopleGallery(vectors, people, items["path"].to_pylist(), EMBEDDER, pooling="best")
    assert by_index.people == memory.people == 23
    assert by_index.threshold == memory.threshold
    queries = unit(5, 7)
    for one, other in zip(by_index.identify(queries), memory.identify(queries), strict=True):
        assert one.name == other.name
        assert one.photo == other.photo
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert [c.name for c in one.candidates] == [c.name for c in other.candidates]


def test_many_photos_of_one_person_do_not_hide_the_next() -> None:
    one = unit(1)[0]
    crowd = one + 0.01 * unit(300, 2)
    vectors = np.concatenate([crowd, unit(3, 5)])
    items = pa.table({"path": [str(r) for r in range(303)], "identity": ["a"] * 300 + list("bcd")})
    index = Index.build(vectors, items=items, fingerprint=EMBEDDER.fingerprint)
    (found,) = IndexGallery(index, EMBEDDER, "index").nearest(one[None], 3)
    assert len(found) == 3


def test_wrong_galleries_are_refused_with_a_reason() -> None:
    items = pa.table({"path": list("abc")})
    other = Index.build(unit(3), items=items)
    with pytest.raises(InputError, match="another embedder"):
        IndexGallery(other, EMBEDDER, "people/")
    nameless = Index.build(unit(3), items=items, fingerprint=EMBEDDER.fingerprint)
    with pytest.raises(InputError, match="no identities"):
        IndexGallery(nameless, EMBEDDER, "people/")
    far = Index.build(unit(3), metric="euclidean", fingerprint=EMBEDDER.fingerprint)
    with pytest.raises(InputError, match="euclidean"):
        IndexGallery(far, EMBEDDER, "people/")
    with pytest.raises(InputError, match="shape"):
        gallery().identify(unit(2, dimension=8))
    with pytest.raises(InputError, match="zero or not finite"):
        PeopleGallery(np.zeros((1, 4)), ["a"], ["0"], EMBEDDER)


@pytest.mark.parametrize("prior", [0.0, 1.0, 1.5, float("nan")])
def test_a_prior_out_of_range_is_refused(prior: float) -> None:
    with pytest.raises(InputError, match="prior: "):
        gallery(prior=prior)


def test_an_empty_gallery_knows_nobody() -> None:
    empty = PeopleGallery(np.empty((0, 16)), [], [], EMBEDDER)
    assert [one.name for one in empty.identify(unit(2), same_photo=True)] == [None, None]
    assert empty.identify(np.empty((0, 16))) == []


def test_the_named_rate_holds_on_lfw(shared_data: Path) -> None:
    """Strangers of LFW against 100 of its people: the measured FPIR is near the one asked for."""
    lfw = shared_data / "lfw"
    vectors = np.load(lfw / "reference_embeddings_128.npy")
    files = (lfw / "reference_embeddings_files.txt").read_text().split()
    who = np.array([file.split("/")[0] for file in files])
    _, person, count = np.unique(who, return_inverse=True, return_counts=True)
    random = np.random.default_rng(0)
    known = random.permutation(np.flatnonzero(count >= 4))[:100]
    rows = [random.permutation(np.flatnonzero(person == one)) for one in known]
    enrolled = np.concatenate([own[:3] for own in rows])
    probes = np.concatenate([own[3:6] for own in rows])
    strangers = np.flatnonzero(count[person] == 1)
    embedder = Embedder(torch.nn.Flatten(), Preprocess(8, 8), operating_points=POINTS)
    people = PeopleGallery(vectors[enrolled], list(who[enrolled]), [""] * 300, embedder, fpir=0.02)
    unit_of = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    false = [one.name is not None for one in people.identify(unit_of[strangers])]
    assert 0.01 < np.mean(false) < 0.04
    right = [
        one.name == own
        for one, own in zip(people.identify(unit_of[probes]), who[probes], strict=True)
    ]
    assert np.mean(right) > 0.97
