"""Annoy's and ScaNN's own files: cuts part the vectors as the leaves do, the walk is Annoy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from docs.figures.search.annoy_tree import Node, read_forest, rows_of, walk_forest
from docs.figures.search.regions import SQUARE, clipped, cut_through
from docs.figures.search.scene import Scene, draw_scene

from likewise.errors import InputError


def parted(node: Node, vectors: np.ndarray, rows: np.ndarray) -> None:
    """Each cut sends down each side what lies on that side, until the leaf holds just these."""
    if node.rows is not None:
        assert sorted(node.rows) == sorted(rows)
        return
    margins = vectors[rows] @ node.normal + node.offset
    assert np.abs(margins).min() > 1e-7  # none on the line, where Annoy tosses a coin
    for side, child in enumerate(node.sides):
        parted(child, vectors, rows[(margins > 0) == bool(side)])


def test_the_cuts_part_the_vectors_as_the_leaves_do(scene: Scene) -> None:
    pytest.importorskip("annoy")
    from docs.figures.search.annoy import forest_of, region_of

    engine = scene.built("annoy", {"trees": 6})
    forest = forest_of(engine, len(scene.vectors), 2)
    assert len(forest.roots) == 6
    for root in forest.roots:
        parted(root, scene.vectors, np.arange(len(scene.vectors)))
    for leaf, above in walk_forest(forest, scene.query[0], 10**6):
        region = region_of(above)
        for row in leaf.rows if leaf.rows is not None else ():
            crossed = np.roll(region, -1, axis=0) - region
            away = scene.vectors[row] - region
            turns = crossed[:, 0] * away[:, 1] - crossed[:, 1] * away[:, 0]
            assert (turns > -1e-6).all()  # inside the polygon that is drawn


@pytest.mark.parametrize("nodes", [10, 60, 200])
def test_the_walk_meets_what_annoy_meets(scene: Scene, nodes: int, tmp_path: Path) -> None:
    annoy = pytest.importorskip("annoy")
    from docs.figures.search.annoy import forest_of

    engine = scene.built("annoy", {"trees": 6})
    engine.save(tmp_path)
    (file,) = tmp_path.iterdir()
    index = annoy.AnnoyIndex(2, "euclidean")
    index.load(str(file))
    forest = forest_of(engine, len(scene.vectors), 2)
    for query in np.random.default_rng(0).uniform(-1, 1, (30, 2)).astype(np.float32):
        met = index.get_nns_by_vector(query, len(scene.vectors), nodes)
        assert rows_of(walk_forest(forest, query, nodes)).tolist() == sorted(met)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="no Annoy file of 4 vectors"):
        read_forest(tmp_path / "f", 4, 2)
    for child in (77, 6, -1):  # beyond the end, the node itself, before the beginning
        words = np.zeros((7, 6), np.int32)
        words[6, :4] = [6, 0, child, 1]
        words[:6, 0] = 1
        words.tofile(tmp_path / "g")
        with pytest.raises(InputError, match=f"points to {child}"):
            read_forest(tmp_path / "g", 6, 2)


def test_polygons() -> None:
    half = clipped(SQUARE, np.array([1.0, 1.0]), 0.0)
    assert sorted(map(tuple, half.round(9).tolist())) == [(-1, 1), (1, -1), (1, 1)]
    assert len(clipped(SQUARE, np.array([1.0, 0.0]), -2.0)) == 0
    ends = cut_through(SQUARE, np.array([0.0, 2.0]), -1.0)
    assert sorted(map(tuple, ends.tolist())) == [(-1, 0.5), (1, 0.5)]


def test_scann_sorts_into_the_leaves_that_are_drawn() -> None:
    pytest.importorskip("scann")
    from docs.figures.search.scann import visited_leaves
    from docs.figures.search.scann_parts import parts_of

    scene = draw_scene(metric="dot", count=1000)
    engine = scene.built("scann", {"leaves": 10})
    parts = parts_of(engine)
    away = np.linalg.norm(scene.vectors[:, None] - parts.centers[:, :2], axis=2)
    own = away[np.arange(len(away)), parts.leaves]
    np.testing.assert_allclose(own, away.min(axis=1), atol=1e-5)  # some leaves are twins
    offered = scene.candidates(engine, {"visits": 2, "rerank": 50})
    assert set(parts.leaves[offered]) <= set(visited_leaves(parts, scene, 2))


def test_scann_errs_across_rather_than_along(scene: Scene) -> None:
    pytest.importorskip("scann")
    from docs.figures.search.scann import errors_of, shortened
    from docs.figures.search.scann_parts import parts_of

    for metric in ("euclidean", "dot"):
        short = shortened(scene, metric)
        parts = parts_of(short.built("scann", {"leaves": 0}))
        assert parts.book.shape == (16, 2)
        units = short.vectors / np.linalg.norm(short.vectors, axis=1, keepdims=True)
        rest = short.vectors[:, None].astype(float) - parts.book
        along = (rest * units[:, None]).sum(axis=2) ** 2
        whole = (rest**2).sum(axis=2)
        rows = np.arange(len(rest))
        nearest = whole.argmin(axis=1)
        told = errors_of(short.vectors, parts.decoded())
        assert told[0] == pytest.approx(np.sqrt(along[rows, parts.codes]).mean(), rel=1e-4)
        changed = parts.codes != nearest
        if metric == "euclidean":
            assert not changed.any()
        else:
            assert changed.mean() > 0.05
            assert along[rows, parts.codes][changed].mean() < along[rows, nearest][changed].mean()
