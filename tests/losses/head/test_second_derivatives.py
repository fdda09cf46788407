"""The gradient of a gradient: that of the formula, or an error; never a part of it in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from likewise.distances import Cosine, Dot, Mahalanobis, Minkowski
from likewise.distances.distance import Distance
from likewise.errors import LikewiseError
from likewise.losses import PrototypeMemory, create_loss, list_losses
from likewise.losses.margins.angle import angle
from likewise.losses.pairs.batch_all import active_hinges
from likewise.losses.pairs.log_sum_exp import log_one_plus_sum_exp, log_sum_exp
from tests.losses.batches import HEADS, batch, double_loss
from tests.losses.cases import CASES, DIMENSION, Case
from tests.losses.cases import batch as pair_batch
from tests.losses.margins import reference


def penalty_gradients(value: Tensor, z: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The gradients of a gradient penalty ``‖∂value/∂z‖²``, with the embeddings' own in it."""
    (by_z,) = torch.autograd.grad(value, z, create_graph=True)
    wanted = [z, *weights]
    found = torch.autograd.grad(by_z.square().sum(), wanted, allow_unused=True)
    return tuple(
        torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_gradient_penalty_is_that_of_the_loop(case: Case) -> None:
    torch.manual_seed(0)
    loss = case.make().double()
    z, y = pair_batch()
    weights = list(loss.parameters())
    ours = penalty_gradients(loss(z, y), z, weights)
    loops = penalty_gradients(case.reference(loss, z, y.tolist()), z, weights)
    assert any(x.abs().max() > 0 for x in loops) or "manhattan" in case.name
    torch.testing.assert_close(ours, loops, rtol=1e-8, atol=1e-8)


def test_the_plain_softmax_has_a_gradient_penalty() -> None:
    z, y = batch()
    loss = double_loss("softmax")
    plain = reference.mean(reference.softmax(loss.bias))(z, loss.weight, y)
    ours = penalty_gradients(loss(z, y), z, [loss.weight])
    torch.testing.assert_close(ours, penalty_gradients(plain, z, [loss.weight]))


def of_head(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    if name == "prototype_memory":
        z, _ = batch()
        return PrototypeMemory(5, 4).double(), z, torch.arange(6) // 2
    return double_loss(name), *batch()


def by_backward(value: Tensor, z: Tensor, _weights: Sequence[Tensor]) -> None:
    torch.autograd.grad(value, z, create_graph=True)[0].square().sum().backward()


def by_the_embeddings(value: Tensor, z: Tensor, _weights: Sequence[Tensor]) -> None:
    penalty_gradients(value, z, [])


def of_half(value: Tensor, z: Tensor, weights: Sequence[Tensor]) -> None:
    penalty_gradients(0.5 * value, z, weights)


USES = (by_backward, by_the_embeddings, penalty_gradients, of_half)


@pytest.mark.parametrize("name", [*HEADS, "prototype_memory"])
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_a_fused_head_refuses_a_gradient_penalty(name: str, use: Callable[..., object]) -> None:
    loss, z, y = of_head(name)
    with pytest.raises(LikewiseError, match="softmax family is differentiable once"):
        use(loss(z, y), z, [*loss.parameters()])


def test_a_graph_that_is_never_differentiated_does_no_harm() -> None:
    z, y = batch()
    loss = double_loss("arcface")
    wanted = (z, loss.weight)
    plain = torch.autograd.grad(loss(z, y), wanted)
    with_graph = torch.autograd.grad(loss(z, y), wanted, create_graph=True)
    torch.testing.assert_close(with_graph, plain, rtol=0, atol=0)


def test_the_graph_of_a_gradient_holds_no_copy_of_the_weights() -> None:
    """What refuses depends on the inputs without holding them: the weights may move meanwhile."""
    z, y = batch()
    loss = double_loss("arcface")
    value = loss(z, y)
    with torch.no_grad():
        loss.weight += 1
    (by_z,) = torch.autograd.grad(value, z, create_graph=True)
    assert by_z.isfinite().all()


def test_every_loss_is_tested_here() -> None:
    tested = {"softmax", "prototype_memory", *HEADS, "siamese_classifier", "triplet"}
    tested |= {case.name.split("-")[0] for case in CASES}
    assert set(list_losses()) <= tested


DISTANCES: list[Distance] = [
    Cosine(),
    Dot(),
    Minkowski(2),
    Minkowski(1),
    Minkowski(3),
    Mahalanobis(factor=torch.randn(3, DIMENSION, dtype=torch.float64)),
]


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)
@pytest.mark.parametrize("method", ["pairwise", "paired"])
def test_distances_are_twice_differentiable(distance: Distance, method: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.randn(3, DIMENSION, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in "xy"
    )
    assert torch.autograd.gradgradcheck(getattr(distance, method), (x, y))


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)
def test_second_derivatives_are_finite_where_rows_are_equal(distance: Distance) -> None:
    x, _ = batch(4)
    value = distance.pairwise(x, x)
    (by_x,) = torch.autograd.grad(
        value.masked_fill(torch.eye(4) > 0, 0).sum(), x, create_graph=True
    )
    (second,) = torch.autograd.grad(by_x.square().sum(), x, allow_unused=True)
    assert second is None or second.isfinite().all()


def test_near_rows_are_twice_differentiable() -> None:
    """Where differences stand in for the products."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, DIMENSION, generator=generator, dtype=torch.float64)
    y = x + 0.03 * torch.randn(3, DIMENSION, generator=generator, dtype=torch.float64)
    pair = x.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradgradcheck(Minkowski(2).pairwise, pair, eps=1e-7)


def test_building_blocks_are_twice_differentiable() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 7, generator=generator, dtype=torch.float64).requires_grad_()
    mask = torch.rand(5, 7, generator=generator) > 0.3
    mask[2] = False
    kept = mask.any(dim=1)
    assert torch.autograd.gradgradcheck(lambda x: log_sum_exp(x, mask)[kept], x)
    assert torch.autograd.gradgradcheck(lambda x: log_one_plus_sum_exp(x, mask), x)
    cosine = torch.linspace(-0.9, 0.9, 7, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(angle, cosine)
    labels = torch.arange(7) % 3
    squares = lambda d: active_hinges(d.square(), labels, 0.3)  # noqa: E731  # short
    assert torch.autograd.gradgradcheck(squares, x)


def test_kinks_have_a_finite_second_derivative() -> None:
    cosine = torch.tensor([-1.0, 1.0, 1.0000001], requires_grad=True)
    (slope,) = torch.autograd.grad(angle(cosine).sum(), cosine, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), cosine)
    assert second.isfinite().all()


def test_a_registered_loss_never_gives_a_part_of_the_second_derivative() -> None:
    """Along one direction, against differences of the gradient itself."""
    for name in list_losses():
        torch.manual_seed(0)
        loss = create_loss(name, num_classes=4, embedding_dim=6).double().eval()
        z = torch.randn(12, 6, dtype=torch.float64).requires_grad_()
        y, way = torch.arange(12) % 4, torch.randn(12, 6, dtype=torch.float64)

        def slope(z: Tensor) -> Tensor:
            torch.manual_seed(1)  # a miner draws the same triplets each time
            (by_z,) = torch.autograd.grad(loss(z, y), z, create_graph=True)  # noqa: B023  # used here
            return (by_z * way).sum()  # noqa: B023  # used here

        try:
            (second,) = torch.autograd.grad(slope(z), z)
        except LikewiseError:
            continue
        if name == "circle":  # its weights carry no gradient, by definition
            continue
        step = 1e-6 * torch.randn(12, 6, dtype=torch.float64)
        difference = (slope(z + step) - slope(z - step)) / 2
        torch.testing.assert_close(
            (second * step).sum(), difference.detach(), rtol=1e-4, atol=1e-12
        )
