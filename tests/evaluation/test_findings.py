"""The tasks give the results of their own functions, and a reason where they are impossible."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

import likewise
from likewise.data.embeddings import Embeddings
from likewise.distances import parse_distance
from likewise.errors import InputError
from likewise.evaluation.calibration.reliability import reliability
from likewise.evaluation.findings import evaluate_tasks
from likewise.evaluation.retrieval.distributed import try_task
from likewise.evaluation.retrieval.metrics import retrieval
from likewise.models.calibration import Calibration


def embedded(people: int = 12, each: int = 4, **columns: list[str]) -> Embeddings:
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(people), each)
    vectors = random.normal(size=(people, 8))[who] + random.normal(size=(len(who), 8)) / 2
    items = {"path": [f"{n}.jpg" for n in range(len(who))], "identity": [f"{p:02}" for p in who]}
    return Embeddings(vectors.astype(np.float32), pa.table(items | columns))


def test_everything_at_once() -> None:
    embeddings = embedded(sex=["f", "f", "f", "f", "m", "m", "m", "m"] * 6)
    experiment = likewise.evaluate(embeddings)
    found = evaluate_tasks(
        experiment,
        embeddings,
        tasks=["identification", "retrieval", "clustering"],
        groups=["sex"],
    )
    assert found.left_out == ()
    expected = retrieval(embeddings.vectors, embeddings.labels)
    assert found.retrieval.to_dict() == expected.to_dict()
    assert found.identification.closed.mated + found.identification.open.non_mated == 48 - 10
    assert found.clustering.samples == 48
    assert found.calibration_of == "half"
    assert [entry.group for entry in found.groups[0].groups] == ["f", "m"]
    values = found.to_dict()
    assert values["calibration"]["cllr"] == found.reliability.cllr
    assert set(values) == {
        "identification", "retrieval", "clustering", "calibration", "groups", "quality",
        "left_out",
    }  # fmt: skip


def test_the_models_own_calibration_is_evaluated() -> None:
    embeddings = embedded()
    experiment = likewise.evaluate(embeddings)
    own = Calibration("logistic", slope=8.0, intercept=-3.0)
    found = evaluate_tasks(experiment, embeddings, tasks=[], calibration=own)
    assert found.calibration_of == "model"
    assert found.reliability == reliability(own, experiment.scores, experiment.same)


def test_another_distance_is_used_throughout() -> None:
    embeddings, metric = embedded(), parse_distance("manhattan")
    experiment = likewise.evaluate(embeddings, distance=metric)
    found = evaluate_tasks(
        experiment, embeddings, tasks=["retrieval", "clustering"], distance=metric
    )
    expected = retrieval(embeddings.vectors, embeddings.labels, distance=metric)
    assert found.retrieval.map_at_r == expected.map_at_r
    assert found.clustering is None
    assert found.left_out == ("clustering: distance: manhattan; must be cosine",)


def test_an_impossible_task_is_named_and_the_others_run() -> None:
    embeddings = embedded(people=3, each=2, hat=["yes", "no"] * 3)
    found = evaluate_tasks(likewise.evaluate(embeddings), embeddings, groups=["hat"])
    assert found.retrieval is not None
    assert any(reason.startswith("groups: ") for reason in found.left_out)
    with pytest.raises(InputError, match="did you mean 'retrieval'"):
        evaluate_tasks(likewise.evaluate(embeddings), embeddings, tasks=["retreival"])
    with pytest.raises(InputError, match="did you mean 'hat'"):
        evaluate_tasks(likewise.evaluate(embeddings), embeddings, groups=["hut"])


def test_photos_of_no_group_are_counted_and_in_none() -> None:
    known = embedded(sex=["f", "f", "f", "f", "m", "m", "m", "m"] * 6)
    sexes = known.items["sex"].to_pylist()
    for row in (3, 9):
        sexes[row] = None
    sexes[4] = "m\u00a0"
    torn = embedded(sex=sexes)
    found = evaluate_tasks(likewise.evaluate(torn), torn, tasks=[], groups=["sex"])
    (report,) = found.groups
    assert [group.group for group in report.groups] == ["f", "m"]
    assert found.left_out == (
        "groups: sex: 2 of 48 photos have no value, the first is '3.jpg' in row 4; pairs with them "
        "are in no group",
    )
    for group in report.groups:  # counted one by one
        rows = [row for row, sex in enumerate(sexes) if sex and sex.strip() == group.group]
        same = [torn.labels[a] == torn.labels[b] for a, b in combinations(rows, 2)]
        assert (group.genuine, group.impostor) == (sum(same), len(same) - sum(same))
    nobody = embedded(sex=[""] * 48)
    empty = evaluate_tasks(likewise.evaluate(nobody), nobody, tasks=[], groups=["sex"])
    assert (empty.groups, empty.left_out) == ((), ("groups: sex: no photo has a value",))


def test_a_reason_names_its_task_once() -> None:
    def refuse() -> None:
        raise InputError("calibration: same-person pairs do not score higher")

    reasons: list[str] = []
    assert try_task("calibration", refuse, reasons) is None
    assert reasons == ["calibration: same-person pairs do not score higher"]
