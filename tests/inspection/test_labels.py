"""Planted wrong labels, with_duplicates names and mixed identities: found against planted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from likewise.errors import InputError
from likewise.inspection.centroids import (
    make_centroids,
    nearest_identities,
    noise_ratio,
    size_factor,
)
from likewise.inspection.impostor_scores import (
    ImpostorScores,
    fit_impostor_scores,
    q_values,
)
from likewise.inspection.label_noise import label_noise
from likewise.inspection.mislabeled import leave_one_out_scores, mislabeled_photos
from likewise.inspection.same_person import duplicate_identities
from likewise.inspection.two_people import two_people
from tests.inspection.planted import people, photos_of

Rows = NDArray[np.int64]


def planted(
    seed: int, wrong: int, *, identities: int = 200
) -> tuple[NDArray[np.float32], Rows, Rows]:
    """Photos of people with 3 to 12 photos each, of which ``wrong`` carry another label."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(identities), random.integers(3, 13, identities))
    labels = truth.copy()
    moved = np.sort(random.choice(len(truth), wrong, replace=False))
    labels[moved] = (truth[moved] + random.integers(1, identities, wrong)) % identities
    return photos_of(people(identities, seed)[truth], seed), labels, moved


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_planted_mislabels_are_found_and_counted(seed: int, share: float) -> None:
    wrong = int(share * 1500)
    vectors, labels, moved = planted(seed, wrong)
    centroids = make_centroids(vectors, labels, 200)
    impostors = fit_impostor_scores(centroids)
    own = leave_one_out_scores(vectors, labels, centroids, impostors.ratio)
    found = mislabeled_photos(vectors, labels, centroids, own, impostors)
    sure = {doubt.row for doubt in found if doubt.probability >= 0.9}
    hit = len(sure & set(moved.tolist()))
    assert hit >= 0.9 * wrong
    assert len(sure) - hit <= max(1, 0.03 * wrong)
    noise = label_noise(own, impostors)
    assert noise is not None
    assert noise.low <= wrong / len(labels) <= noise.high
    assert noise.rate == pytest.approx(wrong / len(labels), rel=0.25, abs=0.003)


def test_a_mislabel_names_whom_it_resembles() -> None:
    vectors, labels, moved = planted(5, 20)
    truth = np.repeat(np.arange(200), np.random.default_rng(5).integers(3, 13, 200))
    centroids = make_centroids(vectors, labels, 200)
    impostors = fit_impostor_scores(centroids)
    own = leave_one_out_scores(vectors, labels, centroids, impostors.ratio)
    found = mislabeled_photos(vectors, labels, centroids, own, impostors)
    right = [d.identity == truth[d.row] for d in found if d.row in set(moved.tolist())]
    assert np.mean(right) >= 0.95
    assert found == sorted(found, key=lambda d: (not d.elsewhere, -d.probability))


def test_without_wrong_labels_few_are_listed() -> None:
    vectors, labels, _ = planted(1, 0)
    centroids = make_centroids(vectors, labels, 200)
    impostors = fit_impostor_scores(centroids)
    own = leave_one_out_scores(vectors, labels, centroids, impostors.ratio)
    assert len(mislabeled_photos(vectors, labels, centroids, own, impostors, at_least=0.5)) <= 1
    noise = label_noise(own, impostors)
    assert noise is not None
    assert noise.rate <= 0.002


def test_of_two_photos_that_disagree_one_entry_names_both() -> None:
    vectors, labels, _ = planted(2, 0)
    alone = photos_of(people(2, 99), 99)  # two people, labeled as one
    vectors = np.concatenate([vectors, alone])
    labels = np.concatenate([labels, [200, 200]])
    centroids = make_centroids(vectors, labels, 201)
    impostors = fit_impostor_scores(centroids)
    own = leave_one_out_scores(vectors, labels, centroids, impostors.ratio)
    found = mislabeled_photos(vectors, labels, centroids, own, impostors)
    last = len(labels) - 1
    assert [{d.row, d.partner} for d in found if labels[d.row] == 200] == [{last - 1, last}]


def test_leave_one_out_scores_against_a_plain_loop() -> None:
    vectors, labels, _ = planted(3, 10, identities=30)
    vectors, labels = np.append(vectors, vectors[:1], 0), np.append(labels, 30)  # one alone
    centroids = make_centroids(vectors, labels, 31)
    own = leave_one_out_scores(vectors, labels, centroids, 0.5)
    for row in range(len(labels)):
        rest = [r for r in range(len(labels)) if labels[r] == labels[row] and r != row]
        assert own.others[row] == len(rest)
        if not rest:
            assert np.isnan(own.cosines[row])
            continue
        mean = np.mean([vectors[r] for r in rest], axis=0)
        cosine = vectors[row] @ mean / np.linalg.norm(mean)
        assert own.cosines[row] == pytest.approx(cosine, abs=1e-5)
        corrected = cosine * np.sqrt(1.5) * np.sqrt(1 + 0.5 / len(rest))
        assert own.scores[row] == pytest.approx(corrected, abs=1e-5)


def test_planted_duplicate_identities_are_merge_candidates() -> None:
    vectors, labels, _ = planted(4, 0)
    for number in range(12):  # every second photo of person 2n goes under a new name
        rows = np.flatnonzero(labels == 2 * number)
        labels[rows[::2]] = 200 + number
    centroids = make_centroids(vectors, labels, 212)
    found = duplicate_identities(centroids, fit_impostor_scores(centroids))
    assert {(p.left, p.right) for p in found} >= {(2 * n, 200 + n) for n in range(12)}
    assert len(found) <= 14
    assert all(p.left < p.right for p in found)
    assert [p.p_value for p in found] == sorted(p.p_value for p in found)


def test_planted_mixed_identities_are_split_candidates() -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(4, 12, 100)
    truth = np.repeat(np.arange(100), sizes)
    vectors = photos_of(people(100, 0)[truth], 0)
    labels = np.where(truth >= 90, truth - 90, truth)  # ten identities hold two people
    impostors = fit_impostor_scores(make_centroids(vectors, labels, 90))
    found = two_people(vectors, labels, impostors)
    assert {s.identity for s in found} == set(range(10))
    for split in found:
        groups = {frozenset(truth[part].tolist()) for part in (split.first, split.second)}
        assert groups == {frozenset({split.identity}), frozenset({split.identity + 90})}
        assert len(split.first) >= len(split.second)


def test_the_correction_makes_scores_independent_of_the_number_of_photos() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(400), 12)
    vectors = photos_of(people(400, 0)[labels], 0)
    ratio = noise_ratio(make_centroids(vectors, labels, 400))
    assert ratio == pytest.approx(0.7**2, rel=0.05)
    for n, m in ((1, 1), (1, 6), (3, 2), (6, 6)):
        cosines = []
        for person in range(400):
            rows = random.permutation(np.flatnonzero(labels == person))
            a, b = vectors[rows[:n]].sum(axis=0), vectors[rows[n : n + m]].sum(axis=0)
            cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        factor = size_factor(n, ratio) * size_factor(m, ratio)
        assert np.mean(cosines) * factor == pytest.approx(1, abs=0.03)


def test_templates_and_their_search_against_a_plain_loop() -> None:
    vectors, labels, _ = planted(6, 5, identities=40)
    labels[labels == 7] = 8  # one identity without photos
    centroids = make_centroids(vectors, labels, 40)
    for person in range(40):
        rows = np.flatnonzero(labels == person)
        assert centroids.sizes[person] == len(rows)
        np.testing.assert_allclose(centroids.sums[person], vectors[rows].sum(axis=0), atol=1e-5)
    query = vectors[:25]
    scores, found = nearest_identities(
        query, np.ones(25, np.int64), centroids, 0.4, 2, own=labels[:25]
    )
    for row in range(25):
        corrected = [
            query[row]
            @ centroids.directions[p]
            * np.sqrt(1.4)
            * np.sqrt(1 + 0.4 / centroids.sizes[p])
            if centroids.sizes[p] and p != labels[row]
            else -np.inf
            for p in range(40)
        ]
        best = np.argsort(corrected)[::-1][:2]
        assert found[row].tolist() == best.tolist()
        np.testing.assert_allclose(scores[row], np.array(corrected)[best], atol=1e-5)


def test_the_distribution_of_impostor_scores_is_that_of_samples() -> None:
    """P-values of impostors are uniform for all sizes; duplicate identities hardly matter."""
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(1500), random.integers(1, 8, 1500))
    vectors = photos_of(people(1500, 1)[labels], 1)
    centroids = make_centroids(vectors, labels, 1500)
    impostors = fit_impostor_scores(centroids)
    own = np.arange(1500)
    scores, _ = nearest_identities(
        centroids.directions, centroids.sizes, centroids, impostors.ratio, 1, own
    )
    chances = impostors.p_values(scores[:, 0], centroids.sizes, centroids.sizes)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(chances <= level) <= 1.6 * level
    assert np.mean(chances <= 0.5) >= 0.2
    labels[(labels < 60) & (np.arange(len(labels)) % 2 == 0)] += 1500  # sixty split in two
    bent = fit_impostor_scores(make_centroids(vectors, labels, 1560))
    lines = [found.location + found.scale * np.log(1500 / 0.01) for found in (impostors, bent)]
    assert lines[1] == pytest.approx(lines[0], abs=0.03)  # where one in a hundred is named


def test_the_chance_is_that_of_a_plain_loop() -> None:
    impostors = ImpostorScores(0.1, 0.03, 0.0, 0.1, 0.5)
    sizes, query_sizes = np.array([1, 2, 2, 5, 0]), np.array([1, 4])
    scores = np.array([0.4, 0.5])
    for score, n, found in zip(
        scores, query_sizes, impostors.p_values(scores, query_sizes, sizes), strict=True
    ):
        expected = sum(
            np.exp(-(score / np.sqrt(1 + 0.5 / n) / np.sqrt(1 + 0.5 / m) - 0.1) / 0.03)
            for m in (1, 2, 2, 5)
        )
        assert found == pytest.approx(1 - np.exp(-expected))


def test_adjusted_chances_are_benjamini_and_hochbergs() -> None:
    chances = np.random.default_rng(0).uniform(0, 1, 40) ** 3
    adjusted = q_values(chances, chances)
    for level in (0.01, 0.05, 0.3):
        order = np.sort(chances)
        passed = [k for k in range(40) if order[k] <= level * (k + 1) / 40]
        line = order[passed[-1]] if passed else -1
        assert (adjusted <= level).tolist() == (chances <= line).tolist()


def test_the_interval_is_clopper_and_pearsons() -> None:
    vectors, labels, _ = planted(0, 30)
    centroids = make_centroids(vectors, labels, 200)
    impostors = fit_impostor_scores(centroids)
    noise = label_noise(
        leave_one_out_scores(vectors, labels, centroids, impostors.ratio), impostors, 0.1
    )
    assert noise is not None
    k, n = noise.unexplained, noise.judged
    assert noise.rate == pytest.approx(k / n / 0.9)
    assert noise.low == pytest.approx(beta.ppf(0.025, k, n - k + 1) / 0.9)
    assert noise.high == pytest.approx(beta.ppf(0.975, k + 1, n - k) / 0.9)


def test_too_few_people_are_refused() -> None:
    vectors = photos_of(people(19, 0), 0)
    with pytest.raises(InputError, match="19 identities are too few"):
        fit_impostor_scores(make_centroids(vectors, np.arange(19), 19))
