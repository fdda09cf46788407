"""Indexes, neighbors and tunings show themselves, and become DataFrames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import likewise
from likewise.errors import InputError
from likewise.search.tuning.tuning import Tuning
from tests.pages.test_shown import NASTY, assert_on_a_screen

VECTORS = np.random.default_rng(2).normal(size=(300, 12)).astype("f4")
PEOPLE = [f"{NASTY} {row // 3}" for row in range(300)]


@pytest.fixture(scope="module")
def tuning() -> Tuning:
    return likewise.tune(VECTORS, PEOPLE, recall=0.8, families=["hnsw"])


def test_an_index_shows_its_facts_and_its_first_items() -> None:
    many = {f"column {number}": range(300) for number in range(30)}
    index = likewise.Index.build(VECTORS, items={"identity": PEOPLE, **many})
    found = assert_on_a_screen(index)
    assert NASTY + " 0" in found.words
    assert "script" not in found.tags
    assert "… and 290 more rows and 22 more columns; to_pandas() has all" in found.words
    assert "Index: 300 vectors of 12 numbers, cosine" in found.words
    table = index.to_pandas(vectors=True)
    assert table["identity"].tolist() == PEOPLE
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack(table["vector"]), unit, rtol=1e-6)
    assert_on_a_screen(likewise.Index.build(VECTORS))
    assert likewise.Index.build(VECTORS).to_pandas().columns.tolist() == ["id"]


def test_items_named_like_the_columns_of_the_table_keep_their_values() -> None:
    index = likewise.Index.build(VECTORS, items={"id": PEOPLE, "vector": range(300)})
    table = index.to_pandas(vectors=True)
    assert table.columns.tolist() == ["id", "item_id", "item_vector", "vector"]
    assert table["item_id"].tolist() == PEOPLE


def test_neighbors_are_those_of_a_search() -> None:
    index = likewise.Index.build(VECTORS, items={"identity": PEOPLE})
    found = index.neighbors(pd.DataFrame({"embedding": VECTORS[:20].tolist()}), k=5)
    scores, ids = index.search(VECTORS[:20], k=5)
    table = found.to_pandas()
    assert (found.queries, len(found)) == (20, 100)
    assert table["id"].tolist() == ids.reshape(-1).tolist()
    assert table["score"].tolist() == scores.reshape(-1).tolist()
    assert table["identity"].tolist() == [PEOPLE[row] for row in ids.reshape(-1)]
    shown = assert_on_a_screen(found)
    assert "script" not in shown.tags
    assert "img" not in shown.tags
    masked = index.neighbors(VECTORS[0], k=2, filter=np.arange(300) > 200)
    assert masked.to_pandas()["id"].min() > 200


def test_neighbors_are_shown_as_photos(photos: Path) -> None:
    manifest = likewise.read_manifest(photos)
    index = likewise.Index.build(VECTORS[:12], items=manifest.table)
    files = [photos / str(name) for name in manifest.table["path"].to_pylist()]
    for place in (manifest, photos, str(photos)):
        found = index.neighbors(VECTORS[:6], k=9, photos=place, query_photos=files[:6])
        shown = assert_on_a_screen(found)
        assert shown.tags.count("img") == 4 * (1 + 6)  # of four queries
        assert "… and 2 more rows of photos" in shown.words
    (photos / "anna" / "0.png").unlink()
    assert assert_on_a_screen(index.neighbors(VECTORS[0], photos=photos)).tags.count("img") == 5


def test_photos_that_cannot_be_shown() -> None:
    index = likewise.Index.build(VECTORS, items={"identity": PEOPLE})
    with pytest.raises(InputError, match="^photos: the index has no item column path"):
        index.neighbors(VECTORS[0], photos="photos")
    with pytest.raises(InputError, match="^query_photos: 2 for 1 queries"):
        index.neighbors(VECTORS[0], query_photos=["a", "b"])


def test_a_tuning_shows_its_points(tuning: Tuning) -> None:
    shown = assert_on_a_screen(tuning)
    assert shown.tags.count("svg") == 1
    assert "chosen" in repr(tuning)
    table = tuning.to_pandas()
    assert len(table) == len(tuning.points)
    assert table["ms"].is_monotonic_increasing
    (chosen,) = table[table["chosen"]].to_dict("records")
    assert chosen["family"] == tuning.pick.family
    assert chosen["recall"] == tuning.pick.recalls["recall"].value


def test_the_frontier_on_axes_of_ones_own(tuning: Tuning) -> None:
    figure, ax = pyplot.subplots()
    assert tuning.plot_frontier(ax) is ax
    places = np.concatenate([np.asarray(marks.get_offsets()) for marks in ax.collections])
    assert len(places) == len([point for point in tuning.points if "recall" in point.recalls])
    pyplot.close(figure)
    with pytest.raises(InputError, match="by: unknown value 'speed'"):
        tuning.plot_frontier(by="speed")
