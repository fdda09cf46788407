"""The head that the softmax family shares: chunks, blocks, precision, empty and hard places."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from likewise.errors import InputError, LikewiseError
from likewise.losses import ArcFace, create_loss, list_losses
from tests.losses.batches import HEADS, SOFTMAX_FAMILY, batch, double_loss


def naive_arcface(z: Tensor, weight: Tensor, y: Tensor, margin: float, scale: float) -> Tensor:
    logits = F.normalize(z) @ F.normalize(weight).T
    rows = torch.arange(len(y))
    theta = logits[rows, y].acos() + margin
    target = torch.where(theta <= math.pi, theta.cos(), -2 - theta.cos())
    logits = logits.index_put((rows, y), target)
    return F.cross_entropy(scale * logits, y)


@pytest.mark.parametrize("budget", [2**29, 3 * 3000 * 8], ids=["one-chunk", "three-rows"])
def test_many_classes_equal_the_naive_formula(budget: int) -> None:
    # 3,000 classes of 512 numbers are three blocks, so blocks and their seams are in it.
    z, y = batch(rows=10, classes=3000, dim=512)
    loss = double_loss("arcface", classes=3000, dim=512, memory_budget=budget)
    value = loss(z, y)
    got = torch.autograd.grad(value, (z, loss.weight))
    naive = naive_arcface(z, loss.weight, y, 0.5, 64.0)
    expected = torch.autograd.grad(naive, (z, loss.weight))
    torch.testing.assert_close(value, naive, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_where_the_cosine_is_one(name: str, sign: float, dtype: torch.dtype) -> None:
    loss = create_loss(name, num_classes=8, embedding_dim=16).to(dtype)
    y = torch.arange(8)
    for length in (1e-3, 1.0, 3.0, 1e3):  # some of these round to cosines above one
        own = loss.weight.detach().view(8, -1, 16)[:, 0]
        z = (sign * length * own).requires_grad_()
        value = loss(z, y)
        gradients = torch.autograd.grad(value, (z, loss.weight))
        assert value.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("cosine", [1.0000001, 1.0, -1.0, -1.0000001])
def test_finite_where_rounding_passes_one(name: str, cosine: float) -> None:
    loss = create_loss(name, num_classes=3, embedding_dim=4)
    c = torch.full((2,), cosine, requires_grad=True)
    target = loss.target(c, loss.margins(torch.ones(2)).expand(2))
    others = loss.others(c[:, None], target.detach())
    gradients = torch.autograd.grad(target.sum() + others.sum(), c)
    assert all(x.isfinite().all() for x in (target, others, *gradients))


def test_the_subgradient_at_the_kink_is_zero() -> None:
    # One class alone on its own axis: whatever gradient there is comes through the target logit.
    loss = ArcFace(num_classes=2, embedding_dim=3, scale=1.0).double()
    loss.weight.data = torch.tensor([[2.0, 0, 0], [-1.0, 0, 0]], dtype=torch.float64)
    z = torch.tensor([[5.0, 0, 0]], dtype=torch.float64, requires_grad=True)
    loss(z, torch.tensor([0])).backward()
    assert z.grad is not None
    assert z.grad.abs().max() < 1e-15


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("theta", [0.05, 0.5, 2.0, 3.0])
def test_exact_and_detached_slope(margin: float, theta: float) -> None:
    # A batch of one with two classes: dL/dz is (p - 1)·slope along one direction.
    def gradient(kind: str) -> float:
        loss = ArcFace(2, 2, margin=margin, scale=1.0, gradient=kind).double()
        loss.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
        z = torch.tensor([[math.cos(theta), math.sin(theta)]], dtype=torch.float64)
        z.requires_grad_()
        (found,) = torch.autograd.grad(loss(z, torch.tensor([0])), z)
        return float(found @ torch.tensor([-math.sin(theta), math.cos(theta)], dtype=z.dtype))

    target = (
        math.cos(theta + margin) if theta + margin <= math.pi else -2 - math.cos(theta + margin)
    )
    wrong = 1 / (1 + math.exp(target - math.sin(theta)))
    by_angle = {
        "exact": -abs(math.sin(theta + margin)),
        "detached": -math.sin(theta),
    }
    for kind, slope in by_angle.items():
        expected = wrong * (math.cos(theta) - slope)
        assert gradient(kind) == pytest.approx(expected, rel=1e-9)


def test_detached_sphereface2_is_the_gradient_of_its_authors() -> None:
    """What is done to cosines is a constant there, for every class: ``c + stop(g(c) ∓ m - c)``."""
    z, y = batch(rows=20)
    loss = double_loss("sphereface2", gradient="detached")
    value = loss(z, y)
    cosines = F.normalize(z) @ F.normalize(loss.weight).T
    own = F.one_hot(y, 5).double()
    spread = 2 * ((cosines + 1) / 2) ** 3 - 1 - 0.4 * (2 * own - 1)
    logits = 40 * (cosines + (spread - cosines).detach()) + loss.bias
    weight = (0.7 * own + 0.3 * (1 - own)) / 40
    each = F.binary_cross_entropy_with_logits(logits, own, weight, reduction="none")
    expected = each.sum(1).mean()
    torch.testing.assert_close(value, expected)
    wanted = (z, *loss.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(value, wanted), torch.autograd.grad(expected, wanted)
    )


@pytest.mark.parametrize("name", [n for n in HEADS if n != "normalized_softmax"])
def test_detached_gives_every_logit_the_slope_of_its_cosine(name: str) -> None:
    loss = create_loss(name, num_classes=3, embedding_dim=4, gradient="detached")
    form, exact = loss._variant(), create_loss(name, num_classes=3, embedding_dim=4)._variant()
    cosine = torch.tensor([0.3, -0.4], requires_grad=True)
    margin = loss.margins(torch.full((2,), 20.0)).detach()
    target = form.target(cosine, margin)
    others = form.others(cosine[:, None], target.detach())
    for value in (target, others):
        (slope,) = torch.autograd.grad(value.sum(), cosine)
        torch.testing.assert_close(slope, torch.ones(2))
    torch.testing.assert_close(target, exact.target(cosine, margin))
    torch.testing.assert_close(others, exact.others(cosine[:, None], target.detach()))


@pytest.mark.parametrize("name", [*SOFTMAX_FAMILY, "prototype_memory"])
@pytest.mark.parametrize("length", [1e-30, 1e17, 1e19, 1e30, 1e37])
def test_long_and_short_embeddings_have_the_gradient_of_double_precision(
    name: str, length: float
) -> None:
    """Finite embeddings whose squares are not: the value is right, or a number error is raised."""
    torch.manual_seed(0)
    z, y = batch(rows=8, length=length)
    if name == "prototype_memory":  # which needs two of a class
        y = torch.arange(8) // 2
    loss = create_loss(name, num_classes=5, embedding_dim=4)
    double = copy.deepcopy(loss).double()
    single = z.detach().float().requires_grad_()
    exact = single.detach().double().requires_grad_()
    value, expected = loss(single, y), double(exact, y)
    torch.testing.assert_close(value.double(), expected, rtol=2e-5, atol=1e-6)
    (got,), (true,) = torch.autograd.grad(value, single), torch.autograd.grad(expected, exact)
    assert true.abs().max() > 0
    got, true = length * got.double(), length * true
    torch.testing.assert_close(got, true, rtol=1e-3, atol=1e-4 * float(true.abs().max()))


@pytest.mark.parametrize("name", ["lsoftmax", "sphereface", "softmax"])
def test_a_loss_beyond_the_floats_is_a_number_error(name: str) -> None:
    """Not an input error: training skips such a step."""
    loss = create_loss(name, num_classes=5, embedding_dim=4)
    with torch.no_grad():
        loss.weight.mul_(1e3)
    z = torch.full((3, 4), 3e38).mul(torch.tensor([1, -1, 1, -1]))
    with pytest.raises(LikewiseError, match=f"{type(loss).__name__}: the loss is") as found:
        loss(z, torch.arange(3))
    assert not isinstance(found.value, InputError)


@pytest.mark.parametrize("name", HEADS)
def test_weights_too_long_to_measure_are_named(name: str) -> None:
    """They would count as zero, and learn nothing."""
    z, y = batch()
    loss = create_loss(name, num_classes=5, embedding_dim=4)
    with torch.no_grad():
        loss.weight.mul_(1e25)
    with pytest.raises(LikewiseError, match="the loss is nan"):
        loss(z.detach().float(), y)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_float32_under_autocast(name: str, half: torch.dtype) -> None:
    torch.manual_seed(0)
    loss = create_loss(name, num_classes=50, embedding_dim=16).eval()
    z = torch.randn(8, 16).to(half).requires_grad_()
    y = torch.randint(50, (8,))
    plain = loss(z.float(), y)
    with torch.autocast("cpu", dtype=half):
        value = loss(z, y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, plain, rtol=1e-6, atol=0)
    value.backward()
    assert z.grad is not None
    assert z.grad.dtype == half
    assert loss.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
def test_empty_batch_and_batch_of_one(name: str) -> None:
    loss = double_loss(name)
    z, y = batch(rows=0)
    value = loss(z, y)
    value.backward()
    assert value == 0
    assert loss.hits.shape == (0,)
    assert loss.weight.grad.abs().sum() == 0
    z, y = batch(rows=1)
    assert loss(z, y).isfinite()


@pytest.mark.parametrize("name", [n for n in SOFTMAX_FAMILY if n not in {"sphereface2", "uniface"}])
def test_one_class_costs_nothing(name: str) -> None:
    loss = double_loss(name, classes=1)
    z, y = batch(classes=1)
    value = loss(z, y)
    gradients = torch.autograd.grad(value, (z, loss.weight))
    if name == "magface":
        value = value - loss.penalty(torch.linalg.vector_norm(z, dim=1)).mean()
    assert value.abs() < 1e-12
    assert all(gradient.abs().max() < 1e-12 for gradient in gradients)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
def test_zero_embedding_and_zero_weight(name: str) -> None:
    loss = double_loss(name)
    z, y = batch()
    with torch.no_grad():
        z[0] = 0
        loss.weight[int(y[1])] = 0
    value = loss(z, y)
    gradients = torch.autograd.grad(value, (z, loss.weight))
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_are_named(name: str, bad: float) -> None:
    z, y = batch()
    z.data[3, 1] = bad
    loss = double_loss(name)
    with pytest.raises(ValueError, match=f"{type(loss).__name__}: embeddings: row 3 "):
        loss(z, y)


def test_weights_that_are_not_finite_are_named() -> None:
    z, y = batch()
    loss = double_loss("arcface")
    loss.weight.data[0] = math.nan
    with pytest.raises(LikewiseError, match="ArcFace: the loss is nan"):
        loss(z, y)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
def test_hits_are_the_nearest_class_without_margin(name: str) -> None:
    z, y = batch(rows=40)
    loss = double_loss(name)
    loss(z, y)
    cosines = F.normalize(z) @ F.normalize(loss.weight).T
    if name in {"softmax", "lsoftmax"}:  # here the length of a weight counts
        cosines = z @ loss.weight.T
    cosines = cosines.view(40, 5, -1).amax(2)
    assert loss.hits.dtype == torch.bool
    assert not loss.hits.requires_grad
    assert 0 < loss.hits.sum() < 40
    assert torch.equal(loss.hits, cosines.argmax(1) == y)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
def test_a_tie_is_no_hit(name: str) -> None:
    loss = create_loss(name, num_classes=5, embedding_dim=4)
    loss(torch.zeros(10, 4), torch.arange(10) % 5)
    assert not loss.hits.any()
    assert loss.compared == 5


@pytest.mark.parametrize(
    "name", ["adaface", "arcface", "combined", "cosface", "normalized_softmax", "magface"]
)
def test_no_margin_is_normalized_softmax(name: str) -> None:
    z, y = batch()
    params = {"regularization": 0.0} if name == "magface" else {}
    loss = double_loss(name, scale=16.0, **params).eval()
    plain = double_loss("normalized_softmax", scale=16.0)
    with_margin = loss(z, y)
    loss.set_margin_fraction(0.0)
    torch.testing.assert_close(loss(z, y), plain(z, y), rtol=1e-12, atol=1e-12)
    loss.set_margin_fraction(1.0)
    assert torch.equal(loss(z, y), with_margin)


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
def test_weights_are_parameters_and_move(name: str) -> None:
    loss = create_loss(name, num_classes=5, embedding_dim=4)
    assert "weight" in dict(loss.named_parameters())
    assert loss.weight.shape == ((15, 4) if name == "subcenter_arcface" else (5, 4))
    assert "weight" in loss.state_dict()
    assert loss.to(torch.float64).weight.dtype == torch.float64


def test_gradients_scale_with_what_comes_from_above() -> None:
    z, y = batch()
    loss = double_loss("arcface")
    once = torch.autograd.grad(loss(z, y), (z, loss.weight))
    thrice = torch.autograd.grad(3 * loss(z, y), (z, loss.weight))
    torch.testing.assert_close(thrice, tuple(3 * g for g in once))


def test_a_graph_scaled_in_place_refuses_a_second_walk() -> None:
    z, y = batch()
    value = 3 * double_loss("arcface")(z, y)
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def test_frozen_weights_and_no_grad() -> None:
    z, y = batch()
    loss = double_loss("arcface")
    expected = torch.autograd.grad(loss(z, y), z)
    loss.weight.requires_grad_(False)
    torch.testing.assert_close(torch.autograd.grad(loss(z, y), z), expected)
    with torch.no_grad():
        assert not loss(z, y).requires_grad


@pytest.mark.parametrize(
    "name",
    [
        "arcface",
        *(pytest.param(n, marks=pytest.mark.slow) for n in SOFTMAX_FAMILY if n != "arcface"),
    ],
)
def test_the_same_through_compile(name: str) -> None:
    torch.compiler.reset()
    z, y = batch()
    loss = double_loss(name).eval()  # running statistics stand still
    expected = torch.autograd.grad(loss(z, y), (z, loss.weight))
    compiled = torch.compile(loss, backend="aot_eager")
    got = torch.autograd.grad(compiled(z, y), (z, loss.weight))
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_every_registered_name_with_classes_to_hit_is_tested_here() -> None:
    heads = [
        name
        for name in list_losses()
        if create_loss(name, num_classes=3, embedding_dim=2).hits is not None
    ]
    assert sorted(heads) == sorted([*SOFTMAX_FAMILY, "prototype_memory"])
