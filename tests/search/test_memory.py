"""The memory that an index says it takes, against what its process takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from likewise.errors import LikewiseError
from likewise.search.index import Index
from likewise.search.tuning.target import Limits, Target
from likewise.search.tuning.tune import tune

COUNT = 100_000
ITEMS = pa.table(
    {
        "path": [
            f"/photos/of/person_{n // 5:07d}/session_{n % 7}/{n:09d}.jpg" for n in range(COUNT)
        ],
        "identity": [f"person_{n // 5:07d}" for n in range(COUNT)],
    }
)
PROGRAM = """
import sys
import numpy as np, pyarrow as pa
from likewise.search.index import Index

def resident():
    pa.default_memory_pool().release_unused()
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return 1024 * int(status["RssAnon"].split()[0])

Index.load(sys.argv[2]).describe([1])  # libraries load, pools are made
before = resident()
index = Index.load(sys.argv[1])
index.search(np.ones((1, 8)), 10)
index.describe([3])
print(index.memory_bytes, resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_items_and_the_look_up_of_ids_are_counted(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(COUNT, 8))
    Index.build(vectors, family="scalar", items=ITEMS).save(tmp_path / "large")
    Index.build(vectors[:100], items=ITEMS[:100]).save(tmp_path / "small")
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "large", tmp_path / "small"],
        capture_output=True, text=True, check=True,
        # Arrow's own allocator keeps the pages that reading the items took.
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )  # fmt: skip
    said, taken = map(int, told.stdout.split())
    assert said > ITEMS.nbytes + 16 * COUNT
    assert 0.7 * taken < said < 1.3 * taken


def test_the_limit_of_memory_counts_the_items() -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 8))
    items = ITEMS[:500]
    bare = Index.build(vectors).memory_bytes
    for limit, fits in ((bare + items.nbytes + 1000, True), (bare + items.nbytes // 2, False)):
        asked = {"target": Target(0.5), "limits": Limits(memory=limit), "families": [], "seed": 0}
        if not fits:
            with pytest.raises(LikewiseError, match="exact would reach it with --max-memory"):
                tune(vectors, items=items, **asked)
            continue
        found = tune(vectors, items=items, **asked)
        index = found.build(vectors, items=items)
        assert bare + items.nbytes == index.evidence["memory"] == index.evidence["exact_memory"]
