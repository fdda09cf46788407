"""``likewise index``: build with a family and its parameters, search, compact."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import likewise
from likewise.cli import main
from likewise.cli.index.search import warn_of_false_matches
from likewise.distances import Cosine
from likewise.models.operating_point import OperatingPoint


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def test_a_family_and_its_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        "--build-parameter",
        "links=8",
        "--build-parameter",
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
        (("--family", "hnsw", "--build-parameter", "links"), "write NAME=VALUE"),
        (("--family", "hnsw", "--build-parameter", "link=3"), "did you mean 'links'"),
        (("--family", "lsh", "--distance", "dot"), "lsh: has no metric dot"),
    ):
        code, _, err = run(capsys, *build, *out, *words)
        assert code == 2
        assert problem in err.replace("\n", " ")
        assert likewise.Index.load(tmp_path / "index").family == "hnsw"


def test_compact_deletes_removed_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = likewise.Index.build(np.random.default_rng(0).normal(size=(50, 8)))
    index.remove([3, 4])
    folder = index.save(tmp_path / "index")
    code, text, _ = run(capsys, "index", "compact", folder, "--json")
    assert (code, json.loads(text)) == (0, {"index": str(folder), "removed": 2, "count": 48})
    code, text, _ = run(capsys, "index", "compact", folder)
    assert (code, "48 vectors; 0 removed ones were deleted" in " ".join(text.split())) == (0, True)
    code, _, err = run(capsys, "index", "compact", tmp_path / "none")
    assert (code, "no such index" in err) == (2, True)


def test_search_decides_at_the_threshold_of_the_model(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, probe = tmp_path / "index", photos / "bob" / "2.png"
    run(capsys, "index", "build", photos, "--model", model, "--out", index)
    embedder = likewise.load(model)
    assert embedder.operating_point is not None
    ask = ("index", "search", index, probe, "--model", model, "-k", 12)
    (answer,) = json.loads(run(capsys, *ask, "--json")[1])
    all_scores = Cosine().pairwise(embedder.embed([probe]), likewise.Index.load(index).vectors)[0]
    limit = embedder.operating_point.threshold
    assert answer["threshold"] == limit
    assert answer["known"] == (all_scores >= limit).sum() > 0
    assert set(answer["found"][0]) == {"id", "score", "path", "identity"}
    # A threshold between two hits divides them; above the best hit there is no match.
    between = (answer["found"][2]["score"] + answer["found"][3]["score"]) / 2
    code, out, _ = run(capsys, *ask, "--threshold", between)
    assert code == 0
    assert f"match: 3 of 12 neighbors reach the threshold {between:.4f}" in out
    assert (out.count("same"), out.count("different")) == (3, 9)
    (told,) = json.loads(run(capsys, *ask, "--threshold", between, "--json")[1])
    assert (told["threshold"], told["known"]) == (between, 3)
    stranger = tmp_path / "stranger.png"
    Image.effect_noise((48, 48), 90).convert("RGB").save(stranger)
    words = ("index", "search", index, stranger, "--model", model, "--threshold", 0.9999)
    assert "no match: all neighbors are below the threshold 0.9999" in run(capsys, *words)[1]
    (told,) = json.loads(run(capsys, *words, "--json")[1])
    assert (told["known"], len(told["found"])) == (0, 10)
    for more, problem in (
        (("--threshold", 1.5), "a cosine is from -1 to 1"),
        (("--threshold", 0.5, "--fmr", 0.1), "give one of the two"),
        (("--fmr", 0.123), "0.123 was not measured for this model"),
    ):
        code, _, err = run(capsys, *ask, *more)
        assert (code, problem in " ".join(err.split())) == (2, True)


def test_an_indexed_vector_reaches_a_threshold_of_1_with_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 128)).astype(np.float32)
    file = tmp_path / "e.npy"
    np.save(file, vectors)
    index = likewise.Index.build(vectors).save(tmp_path / "index")
    words = ("index", "search", index, "--queries", file, "-k", 1, "--threshold", 1, "--json")
    assert [answer["known"] for answer in json.loads(run(capsys, *words)[1])] == [1] * 200


def test_search_warns_of_likely_false_matches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    point = OperatingPoint(0.4, far=1e-3, tar=0.9, genuine=100, impostor=10_000)
    warn_of_false_matches(point, 40)  # 1 - .999^40 = .039
    assert capsys.readouterr().err == ""
    warn_of_false_matches(point, 1000)
    assert "63% of unknown people would match one of these 1,000" in capsys.readouterr().err


def test_search_without_a_threshold_gives_the_reason(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.parquet"
    run(capsys, "embed", photos, "--model", model, "--out", file)
    for metric in ("cosine", "euclidean"):
        run(capsys, "index", "build", file, "--distance", metric, "--out", tmp_path / metric)
    ask = ("index", "search", tmp_path / "cosine", "--queries", file, "-k", 2)
    code, out, err = run(capsys, *ask)
    assert (code, "decision" in out) == (0, False)
    assert "give the model, for its threshold" in " ".join(err.split())
    assert {answer["known"] for answer in json.loads(run(capsys, *ask, "--json")[1])} == {None}
    code, out, err = run(capsys, *ask, "--model", model)
    assert (code, "decision" in out, "no decision" in err) == (0, True, False)
    code, _, err = run(capsys, *ask, "--fmr", 0.1)
    assert (code, "measured with: --model" in " ".join(err.split())) == (2, True)
    far = ("index", "search", tmp_path / "euclidean", "--queries", file, "--model", model)
    assert "is for the cosine" in " ".join(run(capsys, *far)[2].split())
    code, _, err = run(capsys, *far, "--fmr", 0.1)
    assert (code, "was measured for the cosine" in " ".join(err.split())) == (2, True)
    (first, *_) = json.loads(run(capsys, *far, "--threshold", -1e-6, "--json")[1])
    assert first["known"] == 1  # itself
    np.save(tmp_path / "v.npy", np.eye(4, dtype=np.float32))
    likewise.Index.build(np.eye(4)).save(tmp_path / "external")
    code, _, err = run(
        capsys, "index", "search", tmp_path / "external", "--queries", tmp_path / "v.npy"
    )
    assert (code, err) == (0, "")


def test_metadata_of_any_name_and_type_is_json(
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
