"""Tables in and out: Arrow, pandas, and what only speaks one of their protocols."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from likewise.arrays import as_table
from likewise.errors import InputError
from likewise.search.index import Index
from tests.search.backends import Backend

VECTORS = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
IDS = np.arange(40) * 3 + 100
FRAME = pd.DataFrame(
    {"id": IDS, "name": [f"n{n}" for n in range(40)], "embedding": list(VECTORS)},
    index=np.arange(40) + 5,
)


class StreamOnly:
    def __arrow_c_stream__(self, schema: object = None) -> Any:
        return pa.Table.from_pandas(FRAME, preserve_index=False).__arrow_c_stream__(schema)


class PandasOnly:
    def to_pandas(self) -> pd.DataFrame:
        return FRAME


class ArrowOnly:
    def to_arrow(self) -> pa.Table:
        return pa.Table.from_pandas(FRAME, preserve_index=False)


FIXED = pa.table(
    {
        "id": IDS,
        "name": FRAME["name"].tolist(),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 6),
    }
)
LARGE = pa.table(
    {
        "id": IDS,
        "name": FRAME["name"].tolist(),
        "embedding": pa.array(VECTORS.tolist(), pa.large_list(pa.float64())),
    }
)


@pytest.mark.parametrize(
    "table", [FRAME, StreamOnly(), PandasOnly(), ArrowOnly(), FIXED, FIXED.slice(0, 40), LARGE],
    ids=["pandas", "stream", "to_pandas", "to_arrow", "fixed", "slice", "large"],
)  # fmt: skip
def test_an_index_of_any_table(table: Any) -> None:
    index = Index.from_table(table, metric="euclidean")
    np.testing.assert_allclose(index.vectors, VECTORS, rtol=1e-6)
    assert index.ids.tolist() == IDS.tolist()
    assert index.items is not None
    assert index.items.column_names == ["name"]
    assert index.describe([103]) == [{"name": "n1"}]


def test_chunks_and_slices_keep_their_rows() -> None:
    both = pa.concat_tables([FIXED.slice(0, 7), FIXED.slice(20, 11)])
    index = Index.from_table(both, metric="dot")
    np.testing.assert_array_equal(index.vectors, VECTORS[[*range(7), *range(20, 31)]])


def test_answers_as_a_table(backend: Backend) -> None:
    index = backend.from_table(FRAME)
    queries = pd.DataFrame({"who": ["x", "y"], "embedding": list(VECTORS[[4, 9]])})
    answers = index.search_table(queries, k=3, id="who")
    assert answers.column_names == ["query", "rank", "score", "id", "name"]
    rows = answers.to_pylist()
    assert [row["query"] for row in rows] == ["x"] * 3 + ["y"] * 3
    assert [row["rank"] for row in rows] == [1, 2, 3, 1, 2, 3]
    assert (rows[0]["name"], rows[3]["name"]) == ("n4", "n9")
    scores, ids = index.search(VECTORS[[4, 9]], 3)
    assert [row["id"] for row in rows] == ids.reshape(-1).tolist()
    np.testing.assert_array_equal(answers["score"].to_numpy(), scores.reshape(-1))
    assert index.search_table(VECTORS[4], k=99).num_rows == 40
    assert isinstance(answers.to_pandas(), pd.DataFrame)
    index.remove(IDS[::2])
    assert index.items is not None
    name = pa.array(["back"], index.items.schema.field("name").type)  # pandas' own kind of text
    index.add(VECTORS[:1], [5], pa.table({"name": name, "camera": [3]}))
    rows = index.search_table(VECTORS[:2], k=2).to_pylist()
    assert [rows[0][name] for name in ("id", "name", "camera")] == [5, "back", 3]
    assert [rows[2][name] for name in ("id", "name", "camera")] == [103, "n1", None]


def test_what_another_removes_before_it_is_described_has_no_values(backend: Backend) -> None:
    index = backend.from_table(FRAME)
    search = type(index).search

    def beside(self: object, queries: object, k: int = 10, **more: object) -> object:
        found = search(self, queries, k, **more)
        self.remove(found[1][0, :1])
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(index), "search", beside)
        rows = index.search_table(VECTORS[4], k=2).to_pylist()
    assert (rows[0]["id"], rows[0]["name"]) == (112, None)
    assert rows[1]["name"] == f"n{(rows[1]['id'] - 100) // 3}"


def test_a_column_of_the_items_never_hides_the_answer() -> None:
    index = Index.from_table(FRAME.rename(columns={"name": "score"}))
    assert index.search_table(VECTORS[:1], 2).column_names == [
        "query", "rank", "score", "id", "item_score",
    ]  # fmt: skip


def test_without_ids_rows_are_counted() -> None:
    index = Index.from_table(FRAME[["embedding"]], id=None)
    assert index.ids.tolist() == list(range(40))
    assert index.items is None


@pytest.mark.parametrize(
    ("table", "arguments", "problem"),
    [
        ([1, 2], {}, "list is neither a table nor a dictionary of columns"),
        (FRAME, {"vector": "emb"}, "'emb': not among id, name, embedding"),
        (FRAME, {"id": "ids"}, "'ids': not among"),
        (FRAME, {"vector": "name"}, "not lists of numbers"),
        (FRAME, {"id": "name"}, "ids must be integers"),
        (pa.table({"id": [1, 2], "embedding": [[1.0], None]}), {}, "row 1 has no vector"),
        (pa.table({"id": [1, 2], "embedding": [[1.0], [1.0, 2.0]]}), {}, "row 1 has 2 numbers"),
        (pa.table({"id": [1], "embedding": [["a"]]}), {}, "holds string"),
        (pa.table({"id": [1, 1], "embedding": [[1.0], [2.0]]}), {}, "1 occurs twice"),
    ],
)
def test_wrong_tables(table: Any, arguments: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Index.from_table(table, **arguments)


def test_an_arrow_table_is_taken_as_it_is() -> None:
    assert as_table(FIXED) is FIXED
