"""Whether a model is strong enough for a set: strong and weak models, known ground truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from likewise.inspection.ability import ModelTooWeak, measure_ability
from likewise.inspection.centroids import make_centroids
from likewise.inspection.embedded_set import EmbeddedSet
from likewise.inspection.impostor_scores import fit_impostor_scores
from likewise.inspection.labels import check_labels
from likewise.inspection.mislabeled import leave_one_out_scores
from tests.inspection.planted import DIMENSION, people

Rows = NDArray[np.int64]
PEOPLE, EACH = 60, 8


def embedded(noise: NDArray[np.float64] | float, *, wrong: float = 0.0) -> EmbeddedSet:
    """60 people with 8 photos each; ``noise`` of a photo in lengths of its person."""
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(PEOPLE), EACH)
    truth = labels.copy()
    moved = random.random(len(labels)) < wrong
    truth[moved] = (labels[moved] + random.integers(1, PEOPLE, moved.sum())) % PEOPLE
    spread = np.broadcast_to(noise, (PEOPLE,))[truth][:, None]
    noisy = people(PEOPLE, 1)[truth] + spread * random.normal(
        size=(len(labels), DIMENSION)
    ) / np.sqrt(DIMENSION)
    vectors = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    return EmbeddedSet(
        vectors, np.arange(len(labels)), labels, make_centroids(vectors, labels, PEOPLE)
    )


@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.25])
def test_a_good_model_passes_however_many_labels_are_wrong(wrong: float) -> None:
    found = check_labels(embedded(0.7, wrong=wrong))
    assert found.ability is not None
    assert found.ability.expected < found.ability.unexplained / 2 + 0.01
    assert found.noise is not None
    assert found.noise.rate == pytest.approx(wrong, abs=0.05)


KNOWN = np.where(np.arange(PEOPLE) < PEOPLE // 2, 0.3, 4.0)


@pytest.mark.parametrize("noise", [3.0, 4.0, KNOWN], ids=["weak", "weaker", "knows half of them"])
def test_a_weak_model_is_refused(
    noise: NDArray[np.float64] | float,
) -> None:
    """No label is wrong: all that is unexplained, a quarter and more, is the model's weakness."""
    found = embedded(noise)
    impostors = fit_impostor_scores(found.people)
    own = leave_one_out_scores(found.vectors, found.labels, found.people, impostors.ratio)
    ability = measure_ability(found, own, impostors)
    assert ability is not None
    assert ability.unexplained > 0.2
    assert ability.expected == pytest.approx(ability.unexplained, abs=0.1)
    assert not ability.sufficient
    with pytest.raises(ModelTooWeak, match=r"too weak for this set.*0\.5 is chance"):
        check_labels(found)


def test_an_embedding_without_people_in_it_is_guessing() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(PEOPLE * EACH, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.repeat(np.arange(PEOPLE), EACH)
    rows = np.arange(len(labels))
    found = EmbeddedSet(vectors, rows, labels, make_centroids(vectors, labels, PEOPLE))
    with pytest.raises(ModelTooWeak) as caught:
        check_labels(found)
    auc = caught.value.ability.auc
    assert auc.low < 0.5 < auc.high


def test_an_embedding_that_has_collapsed_is_refused() -> None:
    """All cosines within 4e-7 of 1, in the right order or not."""
    found = embedded(0.7)
    middle = np.ones(DIMENSION) / np.sqrt(DIMENSION)
    near = middle + 2e-4 * found.vectors
    vectors = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    people_of = make_centroids(vectors, found.labels, PEOPLE)
    with pytest.raises(ModelTooWeak):
        check_labels(EmbeddedSet(vectors, found.rows, found.labels, people_of))
