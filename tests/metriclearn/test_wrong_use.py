"""Wrong use and its error messages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from likewise.errors import InputError, LikewiseError
from likewise.metriclearn import LDA, LMNN, NCA, InverseCovariance, JointBayesian
from likewise.metriclearn import WithinClassWhitening as Whitening
from tests.metriclearn.cases import METRICS, gaussian_classes

X, Y = gaussian_classes(4, 6, 3)
pytestmark = pytest.mark.filterwarnings("ignore")  # few steps, odd labels: as we know
LABELLED = [name for name in METRICS if "covariance" not in name]


def with_nan():
    broken = X.copy()
    broken[[5, 7], 1] = np.nan
    return broken


@pytest.mark.parametrize("name", METRICS)
def test_rows_that_are_not_finite(name) -> None:
    metric = clone(METRICS[name])
    with pytest.raises(InputError, match=r"X: row 5 holds NaN or infinity \(2 of 24 rows do\)"):
        metric.fit(with_nan(), Y)
    metric.fit(X, Y)
    with pytest.raises(InputError, match="X: row 5 holds NaN"):
        metric.transform(with_nan())
    with pytest.raises(InputError, match="B: row 5 holds NaN"):
        metric.pair_distance(X, with_nan())


@pytest.mark.parametrize("name", METRICS)
def test_widths_and_pairs_that_do_not_fit(name) -> None:
    metric = clone(METRICS[name]).fit(X, Y)
    with pytest.raises(InputError, match="X: X has 2 features, but .* is expecting 3"):
        metric.transform(X[:, :2])
    with pytest.raises(InputError, match="B: X has 2 features"):
        metric.score_pairs(X, X[:, :2])
    with pytest.raises(InputError, match="A, B: 24 and 23 rows"):
        metric.score_pairs(X, X[1:])
    with pytest.raises(InputError, match=r"A: shape \(24, 3\); without B, pairs \[N, 2, D\]"):
        metric.pair_distance(X)


@pytest.mark.parametrize("name", METRICS)
def test_use_before_fit_is_refused(name, tmp_path) -> None:
    metric = clone(METRICS[name])
    for use in (
        lambda: metric.transform(X),
        lambda: metric.pair_distance(X, X),
        lambda: metric.score_pairs(X, X),
        metric.get_mahalanobis_matrix,
        metric.to_distance,
        lambda: metric.save(tmp_path / "m.npy"),
    ):
        with pytest.raises(NotFittedError):
            use()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((24, 3)), "X: all rows are equal"),
        (1e-200 * X, "X: all rows are equal, or differ by too little"),
        (1e200 * X, "too large to square; scale them down"),
        (X[:, 0], "Reshape your data"),
        (X[:, :0], r"0 feature\(s\)"),
        (X + 1j, "Complex data not supported"),
        (csr_array(X), "Sparse data was passed"),
        ([["a", "b"]] * 24, "could not convert string"),
    ],
)
def test_rows_without_a_metric_are_refused(name, rows, message) -> None:
    with pytest.raises(InputError, match=message):
        clone(METRICS[name]).fit(rows, Y)


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(24), "y: a single class"),
        (np.arange(24), "y: each of the 24 classes has one sample"),
        (Y[1:], "inconsistent numbers of samples"),
        (None, "target y is None"),
        (np.linspace(0, 1, 24), "Unknown label type: continuous"),
    ],
)
def test_labels_without_information_are_refused(name, labels, message) -> None:
    with pytest.raises(InputError, match=message):
        clone(METRICS[name]).fit(X, labels)


@pytest.mark.parametrize("metric", [InverseCovariance(), Whitening(), JointBayesian()], ids=repr)
def test_fewer_samples_than_dimensions_need_shrinkage(metric) -> None:
    wide, labels = gaussian_classes(4, 3, 20)
    with pytest.raises(InputError, match=r"X: the .* is singular, of rank .* shrinkage='auto'"):
        metric.fit(wide, labels)
    assert metric.set_params(shrinkage="auto").fit(wide, labels).transform(wide).shape[0] == 12


def test_lda_without_any_spread_within_classes() -> None:
    rows = gaussian_classes(4, 1, 3)[0][Y]
    with pytest.raises(InputError, match="singular, even when shrunk"):
        LDA(shrinkage="auto").fit(rows, Y)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (InverseCovariance(shrinkage=1.5), r"shrinkage: 1\.5; must be a number from 0 to 1"),
        (InverseCovariance(shrinkage="much"), "shrinkage: 'much'"),
        (Whitening(shrinkage=-0.1), "shrinkage: -0.1"),
        (Whitening(weighting="class"), "weighting: .*did you mean 'classes'"),
        (LDA(shrinkage=2), "shrinkage: 2"),
        (LDA(shrinkage="much"), "shrinkage: 'much'"),
        (LDA(n_components=4), "n_components: 4; must be a whole number from 1 to 3"),
        (NCA(n_components=4), "n_components: 4"),
        (NCA(init="zeros"), "init: unknown value 'zeros'"),
        (NCA(max_iter=0), "max_iter: 0"),
        (NCA(tol=-1), "tol: -1"),
        (NCA(max_samples=20), "24 rows, more than max_samples=20"),
        (LMNN(n_neighbors=0), "n_neighbors: 0"),
        (LMNN(n_components=2.5), r"n_components: 2\.5"),
        (LMNN(push=1.2), r"push: 1\.2"),
        (LMNN(max_iter=True), "max_iter: True"),
        (LMNN(tol=float("nan")), "tol: nan"),
        (LMNN(init="identity"), "init: 'identity'"),
        (LMNN(init=np.eye(2)), r"init: shape \(2, 2\); must be a finite factor \[r, 3\]"),
        (LMNN(init=np.eye(3), n_components=2), "init: 3 rows, but n_components=2"),
        (JointBayesian(updates="papers"), "did you mean 'paper'"),
        (JointBayesian(max_iter=0), "max_iter: 0"),
        (JointBayesian(shrinkage=3), "shrinkage: 3"),
    ],
    ids=repr,
)
def test_arguments_out_of_range(metric, message) -> None:
    with pytest.raises(InputError, match=message):
        metric.fit(X, Y)


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LikewiseError, match="cannot write"):
        InverseCovariance().fit(X).save(tmp_path / "file" / "m.npy")
