"""Two reports: pairs matched by name, and compared on the common ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import likewise
from likewise.data.embeddings import Embeddings
from likewise.errors import InputError
from likewise.evaluation.experiment import Experiment
from likewise.evaluation.intervals.paired_bootstrap import paired_bootstrap
from likewise.evaluation.report.comparison import compare_reports, write_comparison
from likewise.evaluation.report.score_file import read_scores
from tests.evaluation.test_findings import embedded


@pytest.fixture
def reports(tmp_path: Path) -> tuple[Path, Path]:
    clear = embedded()
    noise = np.random.default_rng(1).normal(size=clear.vectors.shape).astype(np.float32)
    noisy = Embeddings(clear.vectors + noise, clear.items)
    for name, embeddings in (("clear", clear), ("noisy", noisy)):
        likewise.write_report(likewise.evaluate(embeddings), tmp_path / name)
    return tmp_path / "clear", tmp_path / "noisy"


def test_a_score_file_keeps_the_scores(tmp_path: Path) -> None:
    experiment = likewise.evaluate(embedded())
    likewise.write_report(experiment, tmp_path)
    found = read_scores(tmp_path)
    np.testing.assert_array_equal(found.scores, experiment.scores)
    np.testing.assert_array_equal(found.same, experiment.same)
    assert found.pair[0].as_py() == "0.jpg\0001.jpg"


def test_the_difference_is_from_a_paired_bootstrap(reports: tuple[Path, Path]) -> None:
    found = compare_reports(*reports, replicates=60)
    clear = likewise.evaluate(embedded())
    second = read_scores(reports[1]).scores
    expected = paired_bootstrap(clear.scored_pairs(), second, replicates=60)
    assert found.difference == expected
    assert found.difference.auc.value == pytest.approx(
        found.measured[0].auc - found.measured[1].auc
    )
    assert found.difference.auc.low > 0
    assert found.verdict().startswith("clear is significantly better")
    back = compare_reports(*reports[::-1], replicates=60)
    assert back.verdict().startswith("clear is significantly better")
    assert (
        compare_reports(reports[0], reports[0], replicates=20)
        .verdict()
        .startswith("No significant")
    )


def test_only_shared_pairs_count(reports: tuple[Path, Path], tmp_path: Path) -> None:
    experiment = likewise.evaluate(embedded())
    some = np.arange(len(experiment.scores)) % 2 == 0
    part = replace(
        experiment, left=experiment.left[some][::-1], right=experiment.right[some][::-1],
        same=experiment.same[some][::-1], scores=experiment.scores[some][::-1],
    )  # fmt: skip
    likewise.write_report(part, tmp_path / "part")
    found = compare_reports(tmp_path / "part", reports[0], replicates=20)
    assert found.pairs == some.sum()
    assert found.left_out == (0, (~some).sum())
    assert (found.difference.auc.low, found.difference.auc.high) == (0.0, 0.0)


def test_pairs_match_in_any_order_of_rows(tmp_path: Path) -> None:
    clear = embedded()
    order = np.random.default_rng(3).permutation(len(clear))
    shuffled = Embeddings(clear.vectors[order], clear.items.take(order))
    for name, embeddings in (("first", clear), ("second", shuffled)):
        likewise.write_report(likewise.evaluate(embeddings), tmp_path / name)
    found = compare_reports(tmp_path / "first", tmp_path / "second", replicates=20)
    assert found.pairs == len(clear) * (len(clear) - 1) // 2
    assert found.left_out == (0, 0)
    np.testing.assert_allclose(found.scores[0], found.scores[1], atol=1e-6)


def test_a_pair_and_its_reverse_count_once_and_must_agree(tmp_path: Path) -> None:
    experiment = likewise.evaluate(embedded())

    def with_first_again(score: float) -> Experiment:
        left, right = experiment.left, experiment.right
        return replace(
            experiment, left=np.append(left, right[0]), right=np.append(right, left[0]),
            same=np.append(experiment.same, experiment.same[0]),
            scores=np.append(experiment.scores, score),
        )  # fmt: skip

    likewise.write_report(with_first_again(experiment.scores[0]), tmp_path / "twice")
    likewise.write_report(experiment, tmp_path / "once")
    for one, other in (("twice", "once"), ("once", "twice"), ("twice", "twice")):
        found = compare_reports(tmp_path / one, tmp_path / other, replicates=20)
        assert found.pairs == len(experiment.scores)
    likewise.write_report(with_first_again(experiment.scores[0] - 0.5), tmp_path / "torn")
    with pytest.raises(InputError, match=r"torn: the pair '0.jpg' and '1.jpg' is in rows"):
        compare_reports(tmp_path / "once", tmp_path / "torn")


def test_the_page_and_the_json(reports: tuple[Path, Path], tmp_path: Path) -> None:
    found = compare_reports(*reports, replicates=20)
    page = write_comparison(found, tmp_path / "out").read_text(encoding="utf-8")
    values = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [system["report"] for system in values["systems"]] == ["clear", "noisy"]
    assert values["difference"]["auc"]["value"] == found.difference.auc.value
    assert "clear is significantly better" in page
    assert page.count("<svg") == 1
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page.replace('xlink:href="#', 'x="'))


def test_reports_that_do_not_fit(reports: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scores.parquet"):
        compare_reports(tmp_path, reports[0])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "scores.parquet").write_bytes(b"PAR1nothing")
    with pytest.raises(InputError, match="cannot be read"):
        compare_reports(tmp_path / "bad", reports[0])
    experiment = likewise.evaluate(embedded())
    likewise.write_report(
        replace(experiment, names=[f"x{name}" for name in experiment.names]), tmp_path / "other"
    )
    with pytest.raises(InputError, match="share no pair"):
        compare_reports(tmp_path / "other", reports[0])
    flipped = replace(experiment, same=~experiment.same, identities=None)
    likewise.write_report(flipped, tmp_path / "flipped")
    with pytest.raises(InputError, match="disagree about which pairs"):
        compare_reports(tmp_path / "flipped", reports[0])
    likewise.write_report(replace(experiment, identities=None), tmp_path / "nameless")
    with pytest.raises(InputError, match="no identities"):
        compare_reports(tmp_path / "nameless", reports[0])
