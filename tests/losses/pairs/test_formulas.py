"""Each pair, triplet and centre loss against its plain loop and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from likewise.losses import Center, Triplet
from likewise.losses.pairs.batch_all import active_hinges
from tests.losses.cases import CASES, CLASSES, DIMENSION, Case, batch
from tests.losses.pairs import reference

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def value_and_gradients(value: Tensor, loss: nn.Module, z: Tensor) -> list[Tensor]:
    parameters = list(loss.parameters())
    gradients = torch.autograd.grad(value, [z, *parameters], allow_unused=True)
    return [value.detach(), *(g for g in gradients if g is not None)]


@every_case
@pytest.mark.parametrize("seed", [0, 1])
def test_value_and_gradient_equal_the_loop(case: Case, seed: int) -> None:
    torch.manual_seed(seed)
    loss = case.make().double()
    z, y = batch(seed)
    ours = value_and_gradients(loss(z, y), loss, z)
    loops = value_and_gradients(case.reference(loss, z, y.tolist()), loss, z)
    assert len(ours) == len(loops)
    for a, b in zip(ours, loops, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    assert ours[0] != 0


@every_case
def test_gradient_equals_finite_differences(case: Case) -> None:
    if case.name.startswith("circle"):
        pytest.skip("its weights carry no gradient, by definition")
    torch.manual_seed(0)
    loss = case.make().double()
    z, y = batch(seed=3, size=8)
    assert torch.autograd.gradcheck(lambda x: loss(x, y), (z,), atol=1e-6)


@every_case
def test_the_scale_of_labels_does_not_matter(case: Case) -> None:
    """Labels that even float64 would merge stay apart; only class weights need 0 to C-1."""
    if case.weights and case.name != "siamese":
        pytest.skip("labels are rows of its class weights")
    loss = case.make().double()
    z, y = batch()
    torch.testing.assert_close(loss(z, y + 2**53), loss(z, y), rtol=0, atol=0)


@every_case
def test_a_batch_split_into_anchors_and_memory(case: Case) -> None:
    """With every row an anchor nothing changes; the rows of memory alone give no anchor."""
    torch.manual_seed(0)
    loss = case.make().double()
    z, y = batch()
    torch.testing.assert_close(loss(z, y, anchors=len(y)), loss(z, y), rtol=0, atol=0)
    assert loss(z, y, anchors=0) == 0
    half = loss(z, y, anchors=5)
    assert torch.isfinite(half)
    if loss.compares_samples is False:
        torch.testing.assert_close(half, loss(z[:5], y[:5]))


def test_center_moves_as_the_paper_says() -> None:
    z, y = batch()
    loss = Center(num_classes=CLASSES, embedding_dim=DIMENSION, alpha=0.3).double()
    before = loss.centers.clone()
    expected = reference.center(z, y.tolist(), centers=before)
    value = loss(z, y)
    torch.testing.assert_close(value, expected)
    moved = reference.centers_after(z.detach(), y.tolist(), centers=before, alpha=0.3)
    torch.testing.assert_close(loss.centers.data, moved)
    value.backward()  # moving the centres has not disturbed the gradient
    present = before[y]
    torch.testing.assert_close(z.grad, (z.detach() - present) / len(y))
    assert loss.centers.grad is None


def test_center_rests_in_evaluation_and_without_gradient() -> None:
    z, y = batch()
    loss = Center(num_classes=CLASSES, embedding_dim=DIMENSION).double()
    before = loss.centers.clone()
    loss.eval()(z, y)
    with torch.no_grad():
        loss.train()(z, y)
    torch.testing.assert_close(loss.centers.data, before, rtol=0, atol=0)
    assert "centers" in loss.state_dict()
    assert "centers" in dict(loss.named_parameters())


@pytest.mark.parametrize("mining", ["batch_all", "semi_hard"])
@pytest.mark.parametrize("classes", [1, 2, 3, 40])
@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 9.0])
def test_batch_all_at_every_class_size(mining: str, classes: int, margin: float) -> None:
    """The counts behind the fast path: one class, two large ones, many small ones; with ties."""
    generator = torch.Generator().manual_seed(classes)
    d = torch.randint(0, 4, (14, 18), generator=generator).double().requires_grad_()
    y = torch.randint(0, classes, (18,), generator=generator)
    terms = [
        margin + d[a, p] - d[a, n]
        for a in range(14)
        for p in range(18)
        for n in range(18)
        if a != p and y[a] == y[p] and y[a] != y[n] and margin + d[a, p] - d[a, n] > 0
        if mining == "batch_all" or d[a, n] > d[a, p]
    ]
    expected = reference.mean(terms, d)
    value = active_hinges(d, y, margin, semi_hard=mining == "semi_hard").mean()
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    (ours,), (loops,) = (torch.autograd.grad(v, d) for v in (value, expected))
    torch.testing.assert_close(ours, loops, rtol=1e-12, atol=1e-12)


def test_batch_all_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    z, y = batch(size=30)
    loss = Triplet()
    whole = value_and_gradients(loss(z, y), loss, z)
    monkeypatch.setattr("likewise.distances.blocks.BLOCK_BYTES", 16 * 30 * 4)
    for a, b in zip(value_and_gradients(loss(z, y), loss, z), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
