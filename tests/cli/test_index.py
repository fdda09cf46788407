"""``likewise index build``: a family by name, its knobs in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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


def test_compact_drops_what_was_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = likewise.Index.build(np.random.default_rng(0).normal(size=(50, 8)))
    index.remove([3, 4])
    folder = index.save(tmp_path / "index")
    code, text, _ = run(capsys, "index", "compact", folder, "--json")
    assert (code, json.loads(text)) == (0, {"index": str(folder), "removed": 2, "count": 48})
    code, text, _ = run(capsys, "index", "compact", folder)
    assert (code, "48 vectors; 0 that had been removed" in " ".join(text.split())) == (0, True)
    code, _, err = run(capsys, "index", "compact", tmp_path / "none")
    assert (code, "no such index" in err) == (2, True)
