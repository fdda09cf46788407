"""The graphs that are drawn are the indexes' own, and the walks are the ones that faiss takes."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from docs.figures.search.hnsw import hnsw
from docs.figures.search.hnsw_graph import layers_of, walk_layers
from docs.figures.search.nsg_graph import navigation_links, walk_navigation
from docs.figures.search.picture import draw_overview
from docs.figures.search.scene import Scene
from matplotlib.backends.backend_agg import FigureCanvasAgg

QUERIES = np.random.default_rng(0).uniform(-1, 1, (25, 2)).astype(np.float32)


def squared(scene: Scene, query: np.ndarray) -> np.ndarray:
    apart: np.ndarray = ((scene.vectors - query) ** 2).sum(axis=1)
    return apart


@pytest.fixture(scope="module")
def layered(scene: Scene) -> Any:
    return scene.built("hnsw", {"links": 5, "ef_construction": 40}).index


def test_layers_are_read_as_faiss_reads_them(scene: Scene, layered: Any) -> None:
    layers, graph = layers_of(layered), layered.hnsw
    assert len(layers.links) == graph.max_level + 1
    assert len(layers.members(0)) == len(scene.vectors)
    assert layers.top[layers.entry] == graph.max_level
    neighbours = faiss.vector_to_array(graph.neighbors)
    for layer, links in enumerate(layers.links):
        assert sorted(links) == layers.members(layer).tolist()
        assert max(map(len, links.values())) <= graph.nb_neighbors(layer)
        for row, ends in links.items():
            begin, end = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
            graph.neighbor_range(row, layer, faiss.swig_ptr(begin), faiss.swig_ptr(end))
            held = neighbours[int(begin[0]) : int(end[0])]
            assert ends == [int(other) for other in held if other >= 0]
            assert (layers.top[ends] >= layer).all()


@pytest.mark.parametrize("ef", [10, 16, 40])
def test_the_walk_through_the_layers_is_that_of_faiss(scene: Scene, layered: Any, ef: int) -> None:
    layers = layers_of(layered)
    layered.hnsw.efSearch = ef
    for query in QUERIES:
        faiss.cvar.hnsw_stats.reset()
        _, rows = layered.search(query[None], 10)
        walk = walk_layers(layers, squared(scene, query), ef)
        assert walk.kept[:10].tolist() == rows[0].tolist()
        # faiss does not count the entry's own distance.
        assert walk.comparisons == faiss.cvar.hnsw_stats.ndis + 1
        assert sum(map(len, walk.paths)) == faiss.cvar.hnsw_stats.nhops


@pytest.mark.parametrize("ef", [10, 16, 40])
def test_the_walk_through_nsg_is_that_of_faiss(scene: Scene, ef: int) -> None:
    engine: Any = scene.built("nsg", {"links": 8, "neighbors": 32})
    links, entry = navigation_links(engine.index), int(engine.index.nsg.enterpoint)
    assert sorted(links) == list(range(len(scene.vectors)))
    assert max(map(len, links.values())) <= engine.index.nsg.R
    engine.index.nsg.search_L = ef
    for query in QUERIES:
        _, rows = engine.index.search(query[None], 10)
        walk = walk_navigation(links, entry, squared(scene, query), ef)
        assert walk.kept[:10].tolist() == rows[0].tolist()
        assert set(walk.tree) <= set(walk.compared.tolist())


def test_the_names_of_the_layers_touch_nothing(scene: Scene) -> None:
    """Neither the planes nor the way down, in a picture as small as in the overview."""
    figure = draw_overview([hnsw(scene)] * 5)
    axes = figure.axes[0]
    FigureCanvasAgg(figure).draw()
    sheets = [p.get_transform().transform_path(p.get_path()) for p in axes.patches]
    ways = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    boxes = [text.get_window_extent().padded(1) for text in axes.texts]
    assert len(boxes) == 2 * len(sheets) > 0
    for box in boxes:
        assert not any(path.intersects_bbox(box) for path in sheets)
        assert not any(path.intersects_bbox(box, filled=False) for path in ways)
