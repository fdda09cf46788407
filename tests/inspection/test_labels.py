"""Planted wrong labels, doubled names and mixed identities: found against planted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from likewise.errors import InputError
from likewise.inspection.label_noise import label_noise
from likewise.inspection.mislabels import mislabels, own_scores
from likewise.inspection.same_person import same_within
from likewise.inspection.strangers import (
    Strangers,
    learn_strangers,
    share_false,
)
from likewise.inspection.templates import (
    make_templates,
    nearest_people,
    noise_ratio,
    size_factor,
)
from likewise.inspection.two_people import two_people
from tests.inspection.planted import people, photos_of

Rows = NDArray[np.int64]


def planted(
    seed: int, wrong: int, *, identities: int = 200
) -> tuple[NDArray[np.float32], Rows, Rows]:
    """Photos of people with 3 to 12 photos each, of which ``wrong`` are filed under another."""
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
    templates = make_templates(vectors, labels, 200)
    strangers = learn_strangers(templates)
    own = own_scores(vectors, labels, templates, strangers.ratio)
    found = mislabels(vectors, labels, templates, own, strangers)
    sure = {doubt.row for doubt in found if doubt.probability >= 0.9}
    hit = len(sure & set(moved.tolist()))
    assert hit >= 0.9 * wrong
    assert len(sure) - hit <= max(1, 0.03 * wrong)
    noise = label_noise(own, strangers)
    assert noise is not None
    assert noise.low <= wrong / len(labels) <= noise.high
    assert noise.rate == pytest.approx(wrong / len(labels), rel=0.25, abs=0.003)


def test_a_mislabel_names_whom_it_resembles() -> None:
    vectors, labels, moved = planted(5, 20)
    truth = np.repeat(np.arange(200), np.random.default_rng(5).integers(3, 13, 200))
    templates = make_templates(vectors, labels, 200)
    strangers = learn_strangers(templates)
    own = own_scores(vectors, labels, templates, strangers.ratio)
    found = mislabels(vectors, labels, templates, own, strangers)
    right = [d.identity == truth[d.row] for d in found if d.row in set(moved.tolist())]
    assert np.mean(right) >= 0.95
    assert found == sorted(found, key=lambda d: (not d.elsewhere, -d.probability))


def test_without_wrong_labels_few_are_doubted() -> None:
    vectors, labels, _ = planted(1, 0)
    templates = make_templates(vectors, labels, 200)
    strangers = learn_strangers(templates)
    own = own_scores(vectors, labels, templates, strangers.ratio)
    assert len(mislabels(vectors, labels, templates, own, strangers, at_least=0.5)) <= 1
    noise = label_noise(own, strangers)
    assert noise is not None
    assert noise.rate <= 0.002


def test_of_two_photos_that_disagree_one_entry_names_both() -> None:
    vectors, labels, _ = planted(2, 0)
    alone = photos_of(people(2, 99), 99)  # two strangers, filed as one
    vectors = np.concatenate([vectors, alone])
    labels = np.concatenate([labels, [200, 200]])
    templates = make_templates(vectors, labels, 201)
    strangers = learn_strangers(templates)
    own = own_scores(vectors, labels, templates, strangers.ratio)
    found = mislabels(vectors, labels, templates, own, strangers)
    last = len(labels) - 1
    assert [{d.row, d.partner} for d in found if labels[d.row] == 200] == [{last - 1, last}]


def test_leave_one_out_scores_against_a_plain_loop() -> None:
    vectors, labels, _ = planted(3, 10, identities=30)
    vectors, labels = np.append(vectors, vectors[:1], 0), np.append(labels, 30)  # one alone
    templates = make_templates(vectors, labels, 31)
    own = own_scores(vectors, labels, templates, 0.5)
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


def test_planted_doubled_names_are_merge_candidates() -> None:
    vectors, labels, _ = planted(4, 0)
    for number in range(12):  # every second photo of person 2n goes under a new name
        rows = np.flatnonzero(labels == 2 * number)
        labels[rows[::2]] = 200 + number
    templates = make_templates(vectors, labels, 212)
    found = same_within(templates, learn_strangers(templates))
    assert {(p.left, p.right) for p in found} >= {(2 * n, 200 + n) for n in range(12)}
    assert len(found) <= 14
    assert all(p.left < p.right for p in found)
    assert [p.chance for p in found] == sorted(p.chance for p in found)


def test_planted_mixed_identities_are_split_candidates() -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(4, 12, 100)
    truth = np.repeat(np.arange(100), sizes)
    vectors = photos_of(people(100, 0)[truth], 0)
    labels = np.where(truth >= 90, truth - 90, truth)  # ten identities hold two people
    strangers = learn_strangers(make_templates(vectors, labels, 90))
    found = two_people(vectors, labels, strangers)
    assert {s.identity for s in found} == set(range(10))
    for split in found:
        groups = {frozenset(truth[part].tolist()) for part in (split.first, split.second)}
        assert groups == {frozenset({split.identity}), frozenset({split.identity + 90})}
        assert len(split.first) >= len(split.second)


def test_the_correction_makes_likeness_independent_of_the_number_of_photos() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(400), 12)
    vectors = photos_of(people(400, 0)[labels], 0)
    ratio = noise_ratio(make_templates(vectors, labels, 400))
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
    templates = make_templates(vectors, labels, 40)
    for person in range(40):
        rows = np.flatnonzero(labels == person)
        assert templates.sizes[person] == len(rows)
        np.testing.assert_allclose(templates.sums[person], vectors[rows].sum(axis=0), atol=1e-5)
    query = vectors[:25]
    scores, found = nearest_people(query, np.ones(25, np.int64), templates, 0.4, 2, own=labels[:25])
    for row in range(25):
        corrected = [
            query[row] @ templates.units[p] * np.sqrt(1.4) * np.sqrt(1 + 0.4 / templates.sizes[p])
            if templates.sizes[p] and p != labels[row]
            else -np.inf
            for p in range(40)
        ]
        best = np.argsort(corrected)[::-1][:2]
        assert found[row].tolist() == best.tolist()
        np.testing.assert_allclose(scores[row], np.array(corrected)[best], atol=1e-5)


def test_the_law_of_strangers_is_that_of_draws() -> None:
    """Chances of strangers are uniform, whatever the sizes; doubled names do not bend the law."""
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(1500), random.integers(1, 8, 1500))
    vectors = photos_of(people(1500, 1)[labels], 1)
    templates = make_templates(vectors, labels, 1500)
    law = learn_strangers(templates)
    own = np.arange(1500)
    scores, _ = nearest_people(templates.units, templates.sizes, templates, law.ratio, 1, own)
    chances = law.chance(scores[:, 0], templates.sizes, templates.sizes)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(chances <= level) <= 1.6 * level
    assert np.mean(chances <= 0.5) >= 0.2
    labels[(labels < 60) & (np.arange(len(labels)) % 2 == 0)] += 1500  # sixty names doubled
    bent = learn_strangers(make_templates(vectors, labels, 1560))
    lines = [found.location + found.scale * np.log(1500 / 0.01) for found in (law, bent)]
    assert lines[1] == pytest.approx(lines[0], abs=0.03)  # where one in a hundred is named


def test_the_chance_is_that_of_a_plain_loop() -> None:
    law = Strangers(0.1, 0.03, 0.0, 0.1, 0.5)
    sizes, query_sizes = np.array([1, 2, 2, 5, 0]), np.array([1, 4])
    scores = np.array([0.4, 0.5])
    for score, n, found in zip(
        scores, query_sizes, law.chance(scores, query_sizes, sizes), strict=True
    ):
        expected = sum(
            np.exp(-(score / np.sqrt(1 + 0.5 / n) / np.sqrt(1 + 0.5 / m) - 0.1) / 0.03)
            for m in (1, 2, 2, 5)
        )
        assert found == pytest.approx(1 - np.exp(-expected))


def test_adjusted_chances_are_benjamini_and_hochbergs() -> None:
    chances = np.random.default_rng(0).uniform(0, 1, 40) ** 3
    adjusted = share_false(chances, chances)
    for level in (0.01, 0.05, 0.3):
        order = np.sort(chances)
        passed = [k for k in range(40) if order[k] <= level * (k + 1) / 40]
        line = order[passed[-1]] if passed else -1
        assert (adjusted <= level).tolist() == (chances <= line).tolist()


def test_the_interval_is_clopper_and_pearsons() -> None:
    vectors, labels, _ = planted(0, 30)
    templates = make_templates(vectors, labels, 200)
    strangers = learn_strangers(templates)
    noise = label_noise(own_scores(vectors, labels, templates, strangers.ratio), strangers, 0.1)
    assert noise is not None
    k, n = noise.unexplained, noise.judged
    assert noise.rate == pytest.approx(k / n / 0.9)
    assert noise.low == pytest.approx(beta.ppf(0.025, k, n - k + 1) / 0.9)
    assert noise.high == pytest.approx(beta.ppf(0.975, k + 1, n - k) / 0.9)


def test_too_few_people_are_refused() -> None:
    vectors = photos_of(people(19, 0), 0)
    with pytest.raises(InputError, match="19 identities are too few"):
        learn_strangers(make_templates(vectors, np.arange(19), 19))
