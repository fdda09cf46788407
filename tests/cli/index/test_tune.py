"""``likewise index``: tune, tuned build, check, and their errors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from likewise.cli.app import main
from likewise.cli.units import format_bytes, parse_bytes, parse_seconds
from likewise.data.embeddings import Embeddings, read_embeddings, write_embeddings
from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.milvus.pointer import write_pointer
from likewise.search.tuning.target import Limits
from tests.search.faces import faces

FAMILY = ("--family", "ivf_flat")


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    out = capsys.readouterr()
    return int(caught.value.code or 0), out.out, out.err


def answer(capsys: pytest.CaptureFixture[str], *args: object) -> Any:
    code, out, err = run(capsys, *args, "--json")
    assert code == 0, err
    return json.loads(out)


def write(path: Path, vectors: np.ndarray, names: list[str], fingerprint: str = "abc") -> Path:
    items = pa.table({"path": [f"{n}/{i}" for i, n in enumerate(names)], "identity": names})
    write_embeddings(Embeddings(vectors.astype(np.float32), items, fingerprint), path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("embeddings")
    vectors, labels = faces(320, dimension=16)
    known = labels < 300
    names = [f"p{label}" for label in labels]
    held = [n for n, inside in zip(names, known, strict=True) if not inside]
    kept = [n for n, inside in zip(names, known, strict=True) if inside]
    return (
        write(folder / "e.parquet", vectors[known], kept),
        write(folder / "q.parquet", vectors[~known], held),
    )


def test_tune_writes_report_and_index(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(
        capsys, "index", "tune", files[0], "--recall", 0.9, *FAMILY, "--out", tmp_path / "report",
        "--index", tmp_path / "index",
    )  # fmt: skip
    assert found["aim"]["recall"] == 0.9
    assert (
        found["evidence"]["recalls"]["recall"]["low"] >= 0.9 or found["pick"]["family"] == "exact"
    )
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"tuning.json", "tuning.html", "frontier.png", "mates.png"}
    told = json.loads((tmp_path / "report" / "tuning.json").read_text())
    assert told["pick"] == found["pick"]
    page = (tmp_path / "report" / "tuning.html").read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("https://matplotlib.org", "").replace("http://creativecommons.org", "")
    index = Index.load(tmp_path / "index")
    assert len(index) == 3000
    assert index.evidence == found["evidence"]
    assert (tmp_path / "report" / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_tuned_build_then_check(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, queries = files
    index = tmp_path / "index"
    built = answer(
        capsys, "index", "build", data, "--out", index, "--recall", 0.9, *FAMILY, "--max-memory",
        "1GB", "--max-build", "5min",
    )  # fmt: skip
    assert built["evidence"]["asked"] == {"recall": 0.9}
    checked = answer(capsys, "index", "check", index)
    assert checked["holds"]
    assert checked["sampled"]
    code, out, _ = run(capsys, "index", "check", index)
    assert (code, out.splitlines()[-1]) == (0, "passed")
    given = answer(capsys, "index", "check", index, "--queries", queries, "--recall", 0.05)
    assert given["queries"] == 200
    np.save(tmp_path / "q.npy", np.eye(16, dtype=np.float32))
    assert answer(
        capsys, "index", "check", index, "--queries", tmp_path / "q.npy", "--recall", 0.05
    )["queries"] == 16  # fmt: skip


def test_check_fails_with_exit_code_1(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "index"
    built = run(
        capsys, "index", "build", files[0], "--out", index, *FAMILY,
        "--build-parameter", "lists=128", "--search-parameter", "probes=1",
    )  # fmt: skip
    assert built[0] == 0
    code, out, err = run(capsys, "index", "check", index, "--recall", 0.99)
    assert code == 1
    assert "failed: recall is 0." in err
    assert "passed" not in out
    code, out, _ = run(capsys, "index", "check", index, "--recall", 0.99, "--json")
    assert code == 1
    assert json.loads(out)["holds"] is False
    assert run(capsys, "index", "check", index)[1].splitlines()[-1].startswith("measured;")


def test_the_best_index_is_printed_with_the_command_that_builds_it(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(
        capsys, "index", "tune", files[0], "--recall", 0.9, "--latency", "1s", "--family", "nsg",
        "--distance", "dot", "--out", tmp_path / "frontier.svg", "--queries", files[1],
    )  # fmt: skip
    assert code == 0, err
    assert "best: exact: exact search takes" in out
    assert "not tried: nsg: cannot do dot" in err
    assert "build it with: likewise index build" in err
    assert (tmp_path / "frontier.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["tune", "E", "--recall", "1.5"], 2, "above 0 and below 1"),
        (["tune", "E", "--max-memory", "2 apples"], 2, "--max-memory: '2 apples'; write 2GB"),
        (["tune", "E", "--max-build", "-3s"], 2, "--max-build"),
        (["tune", "E", "--out", "report.pdf"], 2, "give a folder, or a file"),
        (["tune", "E", "--family", "hsnw"], 2, "did you mean 'hnsw'"),
        (["tune", "E", "--recall", "0.9", "--max-memory", "1KB", "--family", "ivf_flat"], 1,
         "exact would reach it with --max-memory"),
        (["tune", "E", "--queries", "OTHER"], 2, "another embedder (xyz)"),
        (["tune", "E", "--queries", "none.npy"], 2, "cannot be read"),
        (["build", "E", "--max-memory", "1GB"], 2, "--max-memory: for tuning only"),
        (["build", "E", "--batch", "1", "-k", "10"], 2, "-k, --batch: for tuning only"),
        (["build", "E", "--seed", "3"], 2, "--seed: for tuning only"),
        (["build", "E", "--recall", "0.9", "--build-parameter", "lists=3"], 2, "tuning chooses"),
        (["build", "E", "--search-parameter", "probes"], 2, "--search-parameter: 'probes'; write"),
        (["build", "E", "--distance", "cosin"], 2, "did you mean 'cosine'"),
        (["build", "E", "--distance", "manhattan", "--family", "rabitq"], 2, "has no metric"),
        (["check", "none"], 2, "no such index"),
    ],
)  # fmt: skip
def test_wrong_use(
    files: tuple[Path, Path], arguments: list[str], code: int, problem: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    other = write(tmp_path / "other.parquet", np.eye(16), ["x"] * 16, "xyz")
    named = {"E": str(files[0]), "OTHER": str(other)}
    found, _, err = run(capsys, "index", *(named.get(word, word) for word in arguments))
    assert found == code, err
    assert problem in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("index*"))  # nothing was begun


def test_the_printed_build_command_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("my vectors.npy", faces(100, dimension=16)[0])
    Path("names.txt").write_text("".join(f"p/{row}\n" for row in range(1000)))
    told = answer(
        capsys, "index", "tune", "my vectors.npy", "--ids", "names.txt", "--latency", "1s"
    )
    words = shlex.split(told["command"])
    assert words[:2] == ["likewise", "index"]
    assert run(capsys, *words[1:])[0] == 0
    assert len(Index.load("index")) == 1000


def test_an_index_on_a_server_is_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pointer(tmp_path, "http://127.0.0.1:1", "people", {})
    code, _, err = run(capsys, "index", "check", tmp_path)
    assert code == 2
    assert "its vectors are on a Milvus server" in err


@pytest.mark.parametrize("command", [("tune",), ("build", "--recall", "0.9"), ("check",)])
def test_a_seed_below_0_is_refused(
    files: tuple[Path, Path], command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "index", command[0], files[0], *command[1:], "--seed", "-1")
    assert code == 2
    assert "--seed" in err
    assert "please report" not in err


def test_build_and_tune_have_the_same_limits(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    seen: list[Limits] = []

    def stopped(*_: object, limits: Limits, **__: object) -> None:
        seen.append(limits)
        raise InputError("enough")

    monkeypatch.setattr("likewise.search.tuning.tune.tune", stopped)
    out = ("--out", tmp_path / "index")
    run(capsys, "index", "tune", files[0], "--recall", 0.9)
    run(capsys, "index", "build", files[0], "--recall", 0.9, *out)
    run(capsys, "index", "build", files[0], "--recall", 0.9, *out, "--max-build", "1h")
    assert [limits.build for limits in seen] == [600, 600, 3600]


def test_duplicate_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "e.npy", np.eye(5, dtype=np.float32))
    (tmp_path / "names.txt").write_text("a/1\na/2\nb/1\na/2\nb/1\n")
    code, _, err = run(
        capsys, "index", "build", tmp_path / "e.npy", "--ids", tmp_path / "names.txt", "--out",
        tmp_path / "index",
    )  # fmt: skip
    assert code == 2
    assert "names.txt: rows 2 and 4 have the same name 'a/2'" in err
    assert len(err.strip().splitlines()) == 1


def test_search_with_embeddings(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, "index", "build", files[0], "--out", tmp_path / "index")
    search = ("index", "search", tmp_path / "index", "-k", 3)
    found = answer(capsys, *search, "--queries", files[1])
    index, queries = Index.load(tmp_path / "index"), read_embeddings(files[1])
    assert [entry["probe"] for entry in found] == queries.names
    ids = index.search(queries.vectors, 3)[1]
    assert [[hit["id"] for hit in entry["found"]] for entry in found] == ids.tolist()
    assert found[0]["found"][0]["path"] == index.describe(ids[0])[0]["path"]
    np.save(tmp_path / "q.npy", queries.vectors[:2])
    (tmp_path / "names.txt").write_text("anna\nbob\n")
    named = ("--queries", tmp_path / "q.npy", "--ids", tmp_path / "names.txt")
    answer(capsys, "index", "build", tmp_path / "q.npy", *named[2:], "--out", tmp_path / "two")
    found = answer(capsys, "index", "search", tmp_path / "two", *named, "-k", 1)
    assert [entry["found"][0]["path"] for entry in found] == ["anna", "bob"]
    found = answer(capsys, "index", "search", tmp_path / "two", *named[:2])
    assert [entry["probe"] for entry in found] == ["row 1", "row 2"]
    assert found[0]["found"][0]["score"] == pytest.approx(1, abs=1e-5)

    broken = queries.vectors.copy()
    broken[1, 0] = np.nan
    np.save(tmp_path / "broken.npy", broken)
    foreign = write(tmp_path / "foreign.parquet", np.eye(16), ["x"] * 16, "xyz")
    for words, problem in (
        (("--queries", foreign), "another embedder (xyz)"),
        (("--queries", tmp_path / "q.npy"), "another embedder (external)"),
        (("--queries", tmp_path / "broken.npy"), "broken.npy: row 2 is not finite"),
        ((), "give query photos with --model, or embeddings with --queries FILE"),
        (("a.jpg", "--queries", files[1]), "give query photos with --model, or"),
        (("a.jpg",), "a.jpg: photos need a model to embed them"),
    ):
        code, _, err = run(capsys, *search, *words)
        assert code == 2
        assert problem in err
        assert len(err.strip().splitlines()) == 1


def test_few_vectors_are_searched_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write(tmp_path / "few.parquet", np.eye(5), ["anna"] * 5)
    code, _, err = run(capsys, "index", "build", few, "--recall", 0.9, "--out", tmp_path / "index")
    assert code == 0
    assert "too few vectors to tune" in err
    assert Index.load(tmp_path / "index").family == "exact"


def test_ctrl_c_is_one_line(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("likewise.search.tuning.tune.tune", pressed)
    code, out, err = run(capsys, "index", "tune", files[0])
    assert (code, out, err) == (130, "", "likewise: interrupted\n")


def test_sizes_and_times() -> None:
    assert parse_bytes("x", "2GB") == 2_000_000_000
    assert parse_bytes("x", "1.5 GiB") == 1_610_612_736
    assert parse_bytes("x", "100") == 100
    assert parse_bytes("x", None) is None
    assert parse_seconds("x", "10min") == 600
    assert parse_seconds("x", "250ms") == 0.25
    assert parse_seconds("x", "2", "MS") == 0.002
    for text in ("", "GB", "1e3", "-1GB", "0GB", "1 QB"):
        with pytest.raises(InputError, match="write 2GB"):
            parse_bytes("x", text)
    assert format_bytes(999) == "999 B"
    assert format_bytes(2_340_000_000) == "2.34 GB"
