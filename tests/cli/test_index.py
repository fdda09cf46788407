"""``likewise index build``: a family by name, its knobs in words."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import likewise
from likewise.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def test_a_family_and_its_knobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "e.npy", np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32))
    (tmp_path / "names.txt").write_text("\n".join(f"p{n // 2}/{n}.jpg" for n in range(600)))
    build = ("index", "build", tmp_path / "e.npy", "--ids", tmp_path / "names.txt")
    out = ("--out", tmp_path / "index")
    code, text, _ = run(
        capsys,
        *build,
        *out,
        "--family",
        "hnsw",
        "--set",
        "links=8",
        "--set",
        "storage=int8",
        "--json",
    )
    assert code == 0
    said = json.loads(text)
    assert (said["family"], said["settings"]["links"], said["settings"]["storage"]) == (
        "hnsw", 8, "int8",
    )  # fmt: skip
    index = likewise.Index.load(tmp_path / "index")
    assert (index.family, len(index), index.describe([3])[0]["identity"]) == ("hnsw", 600, "p1")
    for words, problem in (
        (("--family", "hnws"), "did you mean 'hnsw'"),
        (("--family", "hnsw", "--set", "links"), "write knob=value"),
        (("--family", "hnsw", "--set", "link=3"), "did you mean 'links'"),
        (("--family", "lsh", "--metric", "dot"), "lsh: has no metric dot"),
    ):
        code, _, err = run(capsys, *build, *out, *words)
        assert code == 2
        assert problem in err.replace("\n", " ")
        assert likewise.Index.load(tmp_path / "index").family == "hnsw"


def test_an_answer_keeps_its_own_names_and_is_json_whatever_the_metadata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = [[1.0, 0.0], [0.0, 1.0]]
    table = pa.table(
        {
            "path": ["a.jpg", "b.jpg"],
            "identity": ["anna", "bob"],
            "vector": pa.array(vectors, pa.list_(pa.float64())),
            "score": [0.125, 0.25],  # of a face detector
            "id": ["x", "y"],
            "born": [date(1990, 5, 17), None],
            "taken": [datetime(2020, 1, 2, 3, 4, 5), None],
            "at": [time(6, 7), None],
            "thumb": [b"\x00\xff", None],
            "age": [float("nan"), 31.0],
            "far": pa.array([10**15, None], pa.timestamp("s")),
        }
    )
    pq.write_table(table, tmp_path / "e.parquet")
    assert (
        run(capsys, "index", "build", tmp_path / "e.parquet", "--out", tmp_path / "index")[0] == 0
    )
    search = ("index", "search", tmp_path / "index", "--queries", tmp_path / "e.parquet", "-k", 1)
    code, text, _ = run(capsys, *search, "--json")
    assert code == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(text, parse_constant=refuse)[0]["found"][0]
    far = found.pop("far")
    assert isinstance(far, str)
    assert found == {
        "id": 0, "score": 1.0, "path": "a.jpg", "identity": "anna", "item_score": 0.125,
        "item_id": "x", "born": "1990-05-17", "taken": "2020-01-02T03:04:05", "at": "06:07:00",
        "thumb": base64.b64encode(b"\x00\xff").decode(), "age": None,
    }  # fmt: skip
    code, text, _ = run(capsys, *search)
    assert (code, "1.0000" in text, "0.125" in text) == (0, True, False)
