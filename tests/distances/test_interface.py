"""Names, scores, array kinds, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from likewise.distances import Cosine, Distance, Dot, Mahalanobis, Minkowski, parse_distance
from likewise.errors import InputError

X = np.array([[1.0, 2.0], [0.5, -1.0]])
Y = np.array([[0.0, 1.0], [2.0, 2.0]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cosine", Cosine()),
        ("dot", Dot()),
        ("euclidean", Minkowski(2)),
        ("manhattan", Minkowski(1)),
        ("chebyshev", Minkowski(math.inf)),
        ("minkowski:3", Minkowski(3)),
        ("minkowski:inf", Minkowski(math.inf)),
    ],
)
def test_a_name_makes_its_distance(text, expected) -> None:
    assert parse_distance(text) == expected
    assert parse_distance(expected.name) == expected


def test_mahalanobis_is_read_from_its_file(tmp_path) -> None:
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    np.save(tmp_path / "m.npy", matrix)
    metric = parse_distance(f"mahalanobis:{tmp_path / 'm.npy'}")
    assert isinstance(metric, Mahalanobis)
    np.testing.assert_allclose(metric.matrix, matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin", "did you mean 'cosine'"),
        ("euclidian", "did you mean 'euclidean'"),
        ("minkowski", "minkowski:p"),
        ("minkowski:three", "p must be a number"),
        ("minkowski:0.5", r"p: 0\.5"),
        ("minkowski:nan", "p: nan"),
        ("mahalanobis", r"mahalanobis:FILE\.npy"),
        ("mahalanobis:missing.npy", "no such file"),
        ("", "choose from"),
    ],
)
def test_a_wrong_name_says_what_is_right(text, message) -> None:
    with pytest.raises(InputError, match=message):
        parse_distance(text)


def test_a_file_that_is_no_matrix_is_refused(tmp_path) -> None:
    path = tmp_path / "m.npy"
    path.write_bytes(b"not a matrix")
    with pytest.raises(InputError, match="not a matrix"):
        parse_distance(f"mahalanobis:{path}")
    np.save(path, np.array([object()]), allow_pickle=True)
    with pytest.raises(InputError, match="not a matrix"):
        parse_distance(f"mahalanobis:{path}")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.diag([1.0, -1.0]), "eigenvalue -1"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
        (np.ones((2, 3)), "square"),
        (np.array([[np.nan, 0], [0, 1.0]]), "not finite"),
        (np.ones(3), "must be a floating-point matrix"),
    ],
)
def test_what_is_no_metric_is_refused(matrix, message) -> None:
    with pytest.raises(InputError, match=message):
        Mahalanobis(matrix=matrix)


def test_mahalanobis_takes_one_of_matrix_and_factor() -> None:
    with pytest.raises(InputError, match="exactly one"):
        Mahalanobis()
    with pytest.raises(InputError, match="dimension 2"):
        Mahalanobis(matrix=np.eye(3)).pairwise(X, Y)


@pytest.mark.parametrize("measure", [Minkowski(2), Minkowski(3), Cosine(), Dot()], ids=repr)
def test_higher_scores_and_lower_dissimilarities_are_more_alike(measure: Distance) -> None:
    sign = 1 if measure.is_similarity else -1
    offset = 1 if measure == Cosine() else 0
    pairwise, paired = measure.pairwise(X, Y), measure.paired(X, Y)
    np.testing.assert_array_equal(measure.score_pairwise(X, Y), sign * pairwise)
    np.testing.assert_array_equal(measure.score_paired(X, Y), sign * paired)
    np.testing.assert_array_equal(measure.dissimilarity_pairwise(X, Y), offset - sign * pairwise)
    np.testing.assert_array_equal(measure.dissimilarity_paired(X, Y), offset - sign * paired)


def test_what_comes_in_comes_out() -> None:
    for dtype, expected in [("f2", "f4"), ("f4", "f4"), ("f8", "f8")]:
        result = Minkowski(2).pairwise(X.astype(dtype), Y.astype(dtype))
        assert isinstance(result, np.ndarray)
        assert result.dtype == np.dtype(expected)
    frozen = X.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(Minkowski(2).pairwise(frozen, Y), Minkowski(2).pairwise(X, Y))
    assert isinstance(Minkowski(2).pairwise(torch.tensor(X), torch.tensor(Y)), torch.Tensor)
    assert Minkowski(2).pairwise(X[:0], Y).shape == (0, 2)
    assert Minkowski(3).pairwise(X, Y[:0]).shape == (2, 0)
    assert Cosine().paired(X[:0], Y[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:, :1], r"shapes \[2, 2\] and \[2, 1\]"),
        (X[0], Y, r"shapes \[2\]"),
        (X[:, :0], Y[:, :0], "D >= 1"),
        (X, torch.tensor(Y), "both"),
        (X.astype(int), Y, "int64"),
        (X, Y.astype("f4"), "dtypes torch.float64 and torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(x, y, message) -> None:
    with pytest.raises(InputError, match=message):
        Minkowski(2).pairwise(x, y)


def test_paired_rows_must_be_as_many() -> None:
    with pytest.raises(InputError, match="as many"):
        Cosine().paired(X, Y[:1])


def test_importing_distances_loads_no_torch() -> None:
    script = (
        "import sys, likewise.distances as d; d.parse_distance('minkowski:3'); "
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
