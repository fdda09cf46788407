"""Commands under ``torchrun`` give the files and numbers of a single process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from likewise.cli.app import main
from tests.conftest import make_photos

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(*arguments: str, processes: bool) -> str:
    start = TORCHRUN if processes else [sys.executable]
    ran = subprocess.run(
        [*start, "-m", "likewise", *arguments], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_evaluate_over_two_processes(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    (photos / "person05" / "1.png").write_bytes(b"no photo")
    given = ["evaluate", str(photos), "--model", str(model), "--all-pairs", "--replicates", "20"]
    alone, both = (json.loads(run(*given, "--json", processes=p)) for p in (False, True))
    both.pop("created", None), alone.pop("created", None)
    assert both == alone
    searched = alone["findings"]
    assert searched["identification"] is not None
    assert searched["retrieval"] is not None


@pytest.mark.slow
def test_embed_and_index_over_two_processes(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=20, each=5)
    run("embed", str(photos), "--model", str(model), "--out", str(tmp_path / "two.parquet"),
        processes=True)  # fmt: skip
    with pytest.raises(SystemExit):
        main(["embed", str(photos), "--model", str(model), "--out", str(tmp_path / "one.parquet")])
    one, two = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert two.drop_columns("vector").equals(one.drop_columns("vector"))
    vectors = [np.stack(table["vector"].to_numpy()) for table in (one, two)]
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-6)
    out = tmp_path / "index"
    run("index", "build", str(photos), "--model", str(model), "--out", str(out), processes=True)
    from likewise.search.index import Index

    np.testing.assert_allclose(Index.load(out).vectors, vectors[0], atol=1e-6)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".shares")]


@pytest.mark.slow
def test_a_process_that_fails_ends_all(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=20, each=5)
    (photos / "person19" / "4.png").write_bytes(b"no photo")  # in the part of rank 1
    ran = subprocess.run(
        [*TORCHRUN, "-m", "likewise", "embed", str(photos), "--model", str(model), "--out",
         str(tmp_path / "e.parquet"), "--on-bad-image", "refuse"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode != 0
    assert "person19/4.png" in ran.stderr
    assert not (tmp_path / "e.parquet").exists()
