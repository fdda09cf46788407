"""What is drawn of cells and codes is what faiss keeps: its lists, its codes, its distances."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from docs.figures.search.ivf_flat import cell_of, centroids_of, members, visited
from docs.figures.search.lsh import codes_of, differing, normals_of
from docs.figures.search.pq_fastscan import borders_of, codebooks_of
from docs.figures.search.rabitq_parts import estimates, signs_of
from docs.figures.search.scalar import levels_of
from docs.figures.search.scene import Scene, scene_of


def test_a_drawn_cell_holds_the_vectors_of_its_list(scene: Scene) -> None:
    index = scene.built("ivf_flat", {"lists": 12}).index
    cells = cell_of(index, scene.vectors)
    away = np.linalg.norm(scene.vectors[:, None] - centroids_of(index), axis=2)
    assert (cells == away.argmin(axis=1)).all()
    for cell in range(12):
        assert sorted(members(index, cell)) == np.flatnonzero(cells == cell).tolist()


def test_a_search_finds_the_nearest_of_the_cells_drawn_as_visited(scene: Scene) -> None:
    engine: Any = scene.built("ivf_flat", {"lists": 12})
    for probes in (1, 2, 5):
        looked = np.concatenate(
            [members(engine.index, cell) for cell in visited(engine.index, scene.query, probes)]
        )
        found = scene.candidates(engine, {"probes": probes})
        assert set(found) == set(scene.best_of(looked))


def test_product_codes_are_the_nearest_of_each_codebook(scene: Scene) -> None:
    index = scene.built("pq_fastscan", {"parts": 2, "refine": "none"}).index
    books = codebooks_of(index.pq)
    assert books.shape == (2, 16, 1)
    decoded = index.sa_decode(index.sa_encode(scene.vectors))
    for part in range(2):
        values = books[part, :, 0]
        nearest = values[np.abs(scene.vectors[:, part, None] - values).argmin(axis=1)]
        np.testing.assert_allclose(decoded[:, part], nearest, atol=1e-6)
        # Between two borders there is one value: the rectangles that are drawn share a code.
        strip = np.searchsorted(borders_of(values), scene.vectors[:, part])
        np.testing.assert_allclose(np.sort(values)[strip], decoded[:, part], atol=1e-6)


def test_residual_codes_lie_around_the_centre_of_their_cell(scene: Scene) -> None:
    settings = {"lists": 9, "parts": 1, "refine": "none"}
    index = scene.built("ivf_pq_fastscan", settings).index
    book, centres = codebooks_of(index.pq)[0], centroids_of(index)
    decoded = index.sa_decode(index.sa_encode(scene.vectors))
    cells = cell_of(index, scene.vectors)
    places = centres[cells][:, None] + book
    nearest = np.linalg.norm(places - scene.vectors[:, None], axis=2).argmin(axis=1)
    np.testing.assert_allclose(decoded, places[np.arange(len(places)), nearest], atol=1e-5)


def test_bytes_are_decoded_to_equal_steps(scene: Scene) -> None:
    index = scene.built("scalar", {"codes": "int8"}).index
    levels = levels_of(index)
    np.testing.assert_allclose(
        np.diff(levels), np.diff(levels).mean(1, keepdims=True).repeat(255, 1), atol=1e-6
    )
    decoded = index.sa_decode(index.sa_encode(scene.vectors))
    step = np.diff(levels).mean()
    assert np.abs(decoded - scene.vectors).max() <= step * 1.01
    for axis in range(2):
        assert np.abs(decoded[:, axis, None] - levels[axis]).min(axis=1).max() < 1e-6


def test_a_bit_says_on_which_side_of_its_line_a_vector_lies(scene: Scene) -> None:
    unit = scene_of(scene.vectors, scene.query, "cosine")
    engine: Any = unit.built("lsh", {"bits": 16})
    sides = unit.vectors @ normals_of(engine.index).T
    codes = codes_of(engine.index, unit.vectors)
    clear = np.abs(sides) > 1e-5
    assert ((codes == 1) == (sides > 0))[clear].all()
    own = codes_of(engine.index, unit.query)
    found, _ = engine.index.search(unit.query, 30)
    assert found[0].tolist() == sorted(differing(codes, own))[:30]


def test_the_signs_that_are_drawn_tell_the_distances_that_faiss_tells(scene: Scene) -> None:
    engine: Any = scene.built("rabitq", {"lists": 9, "refine": "none"})
    signs = signs_of(engine.index, scene.vectors)
    inner = faiss.IVFRaBitQSearchParameters(nprobe=9, qb=0)
    parameters = faiss.SearchParametersPreTransform(index_params=inner)
    told, rows = engine.faiss_search(scene.query, 400, params=parameters)
    ours = estimates(signs, scene.query)
    np.testing.assert_allclose(told[0], ours[rows[0]], atol=1e-4)
    for cell in range(9):
        assert sorted(members(signs.inverted, cell)) == np.flatnonzero(signs.cells == cell).tolist()
    centres = signs.corners()[signs.cells]
    lengths = np.linalg.norm(signs.snapped() - centres, axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(scene.vectors - centres, axis=1), atol=1e-5)


def test_estimates_by_signs_are_right_on_average() -> None:
    numbers = np.random.default_rng(3)
    vectors = numbers.normal(size=(2000, 64)).astype(np.float32)
    query = numbers.normal(size=(1, 64)).astype(np.float32)
    engine: Any = scene_of(vectors, query, "euclidean").built(
        "rabitq", {"lists": 1, "refine": "none"}
    )
    told = estimates(signs_of(engine.index, vectors), query)
    true = ((vectors - query).astype(float) ** 2).sum(axis=1)
    assert told.mean() == pytest.approx(true.mean(), rel=0.01)
    assert np.abs(told - true).mean() / true.mean() < 0.1
