"""Values and gradients against SciPy, closed forms and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from likewise.distances import Cosine, Distance, Dot, Mahalanobis, Minkowski, blocks

MATRIX = np.array([[2.0, 0.5, 0.0, 0.1], [0.5, 1.0, 0.3, 0.0], [0, 0.3, 0.5, 0], [0.1, 0, 0, 1]])
SCIPY = [
    (Minkowski(1), {"metric": "cityblock"}),
    (Minkowski(2), {"metric": "euclidean"}),
    (Minkowski(3.5), {"metric": "minkowski", "p": 3.5}),
    (Minkowski(1.2), {"metric": "minkowski", "p": 1.2}),
    (Minkowski(math.inf), {"metric": "chebyshev"}),
    (Mahalanobis(matrix=MATRIX), {"metric": "mahalanobis", "VI": MATRIX}),
]
IDS = [measure.name for measure, _ in SCIPY]
MEASURES: list[Distance] = [*(measure for measure, _ in SCIPY), Cosine(), Dot()]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(("measure", "arguments"), SCIPY, ids=IDS)
def test_distances_equal_scipy(measure, arguments, rng) -> None:
    x, y = rng.normal(size=(70, 4)), rng.normal(size=(50, 4))
    y[:5] = x[:5] + 1e-7 * rng.normal(size=(5, 4))  # nearly equal: a product alone loses these
    y[5] = x[5]
    exact = cdist(x, y, **arguments)
    np.testing.assert_allclose(measure.pairwise(x, y), exact, rtol=1e-9, atol=1e-14)


def test_cosine_and_dot_equal_scipy(rng) -> None:
    x, y = rng.normal(size=(7, 4)), rng.normal(size=(5, 4))
    np.testing.assert_allclose(1 - Cosine().pairwise(x, y), cdist(x, y, "cosine"), atol=1e-12)
    np.testing.assert_allclose(Dot().pairwise(x, y), x @ y.T)


@pytest.mark.parametrize("far", [0.0, 1e3])
def test_euclidean_keeps_its_digits_in_float32(far, rng) -> None:
    """The expansion of the square loses the small distances; also far from the origin."""
    x = rng.normal(size=(40, 8))
    x[20:] = x[:20] + 1e-4 * rng.normal(size=(20, 8))
    x32 = (x + far).astype(np.float32)
    exact = cdist(x32.astype(np.float64), x32.astype(np.float64))
    np.testing.assert_allclose(Minkowski(2).pairwise(x32, x32), exact, rtol=2e-4)


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("far", [0.0, 1e3])
def test_the_euclidean_gradient_of_near_rows_keeps_its_digits(apart, far, rng) -> None:
    """Beside rows that are far, where one sum over all would cancel."""
    base = rng.normal(size=(12, 8)) + far
    rows = np.concatenate([base, base + (1 + far) * apart * rng.normal(size=(12, 8))])
    x, y = (torch.tensor(rows, dtype=torch.float32, requires_grad=True) for _ in "xy")
    # Only near pairs count, so that what the far ones add does not hide them.
    weight = torch.diag(torch.tensor(rng.normal(size=12)), 12)
    value = (Minkowski(2).pairwise(x, y) * weight).sum()
    difference = (x.double()[:, None] - y.double()[None]).detach()
    length = difference.norm(dim=2, keepdim=True)
    single = weight[..., None] * (difference / length.masked_fill(length == 0, 1))
    got = torch.autograd.grad(value, (x, y))
    for grad, expected in zip(got, (single.sum(1), -single.sum(0)), strict=True):
        torch.testing.assert_close(grad.double(), expected, rtol=1e-5, atol=1e-6)


def test_tight_clusters_take_the_direct_way(rng) -> None:
    x = np.repeat(rng.normal(size=(2, 8)), 30, axis=0) + 1e-6 * rng.normal(size=(60, 8))
    np.testing.assert_allclose(Minkowski(2).pairwise(x, x), cdist(x, x), rtol=1e-8)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 50.0, 1000.0, math.inf])
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_no_order_overflows(p, size) -> None:
    x = np.array([[size, 0.0, 0.0]], dtype=np.float32)
    y = np.zeros((1, 3), dtype=np.float32)
    np.testing.assert_allclose(Minkowski(p).pairwise(x, y), [[size]], rtol=1e-6)
    np.testing.assert_allclose(Minkowski(p).paired(x, y), [size], rtol=1e-6)


@pytest.mark.parametrize("measure", MEASURES, ids=repr)
def test_blocks_change_nothing(measure, rng, monkeypatch) -> None:
    x = torch.tensor(rng.normal(size=(23, 4)), requires_grad=True)
    y = torch.tensor(rng.normal(size=(17, 4)), requires_grad=True)
    weight = torch.tensor(rng.normal(size=(23, 17)))

    def run() -> list[torch.Tensor]:
        value = measure.pairwise(x, y)
        return [value, *torch.autograd.grad((value * weight).sum(), (x, y))]

    whole = run()
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)
    for a, b in zip(run(), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("measure", MEASURES, ids=repr)
def test_gradients_equal_finite_differences(measure, rng) -> None:
    x = torch.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    y = torch.tensor(rng.normal(size=(4, 4)), requires_grad=True)
    assert torch.autograd.gradcheck(measure.pairwise, (x, y))
    assert torch.autograd.gradcheck(measure.paired, (x, y[:3]))


def test_a_learned_factor_gets_its_gradient(rng) -> None:
    x = torch.tensor(rng.normal(size=(3, 4)))
    factor = torch.nn.Parameter(torch.tensor(rng.normal(size=(2, 4))))
    assert torch.autograd.gradcheck(lambda a: Mahalanobis(factor=a).pairwise(x, x + 1), (factor,))


@pytest.mark.parametrize("measure", MEASURES, ids=repr)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_at_equal_vectors_the_gradient_is_finite_and_zero(measure, scale, rng) -> None:
    """Distance 0 (and the zero vector): the subgradient 0, never NaN."""
    x = torch.tensor(scale * rng.normal(size=(3, 4)), requires_grad=True)
    y = x.detach().clone().requires_grad_()
    for value in (measure.pairwise(x, y).diag().sum(), measure.paired(x, y).sum()):
        for grad in torch.autograd.grad(value, (x, y)):
            if measure.name == "dot":
                torch.testing.assert_close(grad, x.detach())
            else:
                torch.testing.assert_close(grad, torch.zeros_like(x), atol=1e-12, rtol=0)


def test_chebyshev_ties_share_the_gradient() -> None:
    x = torch.tensor([[1.0, -1.0, 0.0]], requires_grad=True)
    y = torch.zeros(1, 3)
    for value in (Minkowski(math.inf).pairwise(x, y), Minkowski(math.inf).paired(x, y)):
        (grad,) = torch.autograd.grad(value.sum(), x)
        torch.testing.assert_close(grad, torch.tensor([[0.5, -0.5, 0.0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("measure", MEASURES, ids=repr)
def test_half_precision_is_computed_in_float32(measure, dtype, rng) -> None:
    x = torch.tensor(rng.normal(size=(5, 4)), dtype=dtype)
    torch.testing.assert_close(measure.pairwise(x, x), measure.pairwise(x.float(), x.float()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = measure.pairwise(x.float(), x.float())
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, measure.pairwise(x.float(), x.float()))
