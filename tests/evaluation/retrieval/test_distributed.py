"""Identification and retrieval over several processes: bitwise the results of one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from likewise.data.embeddings import Embeddings
from likewise.distances import Mahalanobis, parse_distance
from likewise.errors import InputError, LikewiseError
from likewise.evaluation.experiment import evaluate
from likewise.evaluation.findings import evaluate_tasks
from likewise.evaluation.identification import probe_scores
from likewise.evaluation.identification.closed_set import identification
from likewise.evaluation.nearest import score_blocks
from likewise.evaluation.retrieval import distributed as shared_searches
from likewise.evaluation.retrieval import metrics as retrieval
from likewise.evaluation.retrieval.distributed import (
    identification_distributed,
    retrieval_distributed,
    search_distributed,
)
from likewise.shares import Share
from tests.evaluation.verification.test_all_pairs import people


def together(folder: Path, count: int, step: Callable[[Share], object]) -> list[object]:
    """What each process gets, or what it raises; all at once, as threads."""
    found: list[object] = [None] * count

    def one(rank: int) -> None:
        try:
            found[rank] = step(Share(rank, count, folder))
        except LikewiseError as error:
            found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return found


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (score_blocks, probe_scores):
        monkeypatch.setattr(module, "GALLERY_ROWS", 24)
    for module in (score_blocks, shared_searches, retrieval):
        monkeypatch.setattr(module, "QUERY_ROWS", 8)
    monkeypatch.setattr(score_blocks, "SYMMETRIC_ROWS", 16)


def drawn(name: str) -> tuple[np.ndarray, np.ndarray]:
    vectors, labels = people(30, 4, 5)
    return (np.round(vectors) if name == "manhattan" else vectors), labels  # most scores tie


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("name", ["cosine", "manhattan", "euclidean"])
def test_identification_equals_that_of_one_process(name: str, count: int, tmp_path: Path) -> None:
    vectors, labels = drawn(name)
    enrolled = np.arange(len(labels)) % 4 < 2
    enrolled &= labels > 5
    given = vectors[~enrolled], labels[~enrolled], vectors[enrolled], labels[enrolled]
    distance = parse_distance(name)
    alone = identification(*given, distance=distance)
    found, *others = together(
        tmp_path, count, lambda share: identification_distributed(*given, share, distance=distance)
    )
    assert others == [None] * (count - 1)
    assert found.to_dict() == alone.to_dict()
    for field in fields(alone.scores):
        mine, theirs = (getattr(part.scores, field.name) for part in (found, alone))
        np.testing.assert_array_equal(mine, theirs, err_msg=field.name)
    np.testing.assert_array_equal(found.open.det.threshold, alone.open.det.threshold)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("held", [2**24, 400, 60])
@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("name", ["cosine", "manhattan", "euclidean"])
def test_retrieval_equals_that_of_one_process(
    name: str, count: int, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for all neighbours the pairs of rows are dealt, else the queries."""
    monkeypatch.setattr(retrieval, "NEIGHBORS_HELD", held)
    vectors, labels = drawn(name)
    distance, ks = parse_distance(name), (1, 5, 10)
    alone = retrieval.retrieval(vectors, labels, ks=ks, distance=distance)
    found, *others = together(
        tmp_path,
        count,
        lambda share: retrieval_distributed(vectors, labels, share, ks=ks, distance=distance),
    )
    assert others == [None] * (count - 1)
    assert found == alone


@pytest.mark.usefixtures("small_blocks")
def test_retrieval_in_a_separate_gallery(tmp_path: Path) -> None:
    vectors, labels = drawn("cosine")
    own = np.where(np.arange(60) % 3 == 0, -1, np.arange(60))
    given = vectors[:60], labels[:60]
    more = {"gallery": vectors[:90], "gallery_labels": labels[:90], "own_rows": own, "ks": [1, 99]}
    alone = retrieval.retrieval(*given, **more)
    found = together(tmp_path, 3, lambda share: retrieval_distributed(*given, share, **more))
    assert found == [alone, None, None]


def embedded(count: int = 12, each: int = 4) -> Embeddings:
    vectors, who = people(count, each, 8)
    names = [f"{n}.jpg" for n in range(len(who))]
    return Embeddings(vectors, pa.table({"path": names, "identity": [f"{p:02}" for p in who]}))


@pytest.mark.usefixtures("small_blocks")
def test_findings_with_searches_of_several_processes(tmp_path: Path) -> None:
    embeddings, tasks = embedded(), ["identification", "retrieval"]
    searches, *others = together(
        tmp_path, 3, lambda share: search_distributed(embeddings, share, tasks=tasks, seed=4)
    )
    assert all(other.identification is None and other.retrieval is None for other in others)
    experiment = evaluate(embeddings)
    found = evaluate_tasks(experiment, embeddings, tasks=tasks, seed=4, searches=searches)
    assert found.to_dict() == evaluate_tasks(experiment, embeddings, tasks=tasks, seed=4).to_dict()


def test_an_impossible_task_is_reported_and_all_processes_continue(tmp_path: Path) -> None:
    embeddings = embedded(6, 1)
    alone = search_distributed(embeddings, Share())
    found = together(tmp_path, 3, lambda share: search_distributed(embeddings, share))
    assert found[0] == alone
    assert [reason.split(":")[0] for reason in alone.left_out] == ["identification", "retrieval"]
    assert not list(tmp_path.iterdir())


def test_an_error_in_one_share_ends_its_process(tmp_path: Path) -> None:
    """It does not become a reason, after which the first would wait for this share."""
    embeddings = embedded()
    wrong = Mahalanobis(matrix=np.eye(3, dtype=np.float32))
    with pytest.raises(LikewiseError, match="dimension 8") as caught:
        search_distributed(
            embeddings, Share(2, 3, tmp_path), tasks=["identification"], distance=wrong
        )
    assert not isinstance(caught.value, InputError)
    alone = search_distributed(embeddings, Share(), tasks=["identification"], distance=wrong)
    assert "dimension 8" in alone.left_out[0]
