"""The softmax family with weights, reductions and smoothed labels, against formulas and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.errors import LikewiseError
from likewise.losses import ArcFace, CurricularFace, Placement, PrototypeMemory, create_loss
from tests.losses.batches import HEADS, batch, double_loss
from tests.losses.margins import reference
from tests.losses.margins.test_against_formulas import CASES

SMOOTHED = [name for name in HEADS if name not in ("sphereface2", "uniface")]
FORMULAS: dict[str, tuple[str, dict[str, Any], float, Callable[[nn.Module], reference.Row]]] = {
    **CASES,
    "softmax": ("softmax", {}, 1.0, lambda loss: reference.softmax(loss.bias)),
}
budgets = pytest.mark.parametrize("budget", [2**29, 1], ids=["one-chunk", "row-by-row"])


def given(rows: int = 6) -> tuple[Tensor, Tensor]:
    """Weights from 0 on, and what the losses of the rows are multiplied with afterwards."""
    weights = torch.linspace(0, 2, rows, dtype=torch.float64)
    return weights, torch.linspace(1.5, -1, rows, dtype=torch.float64)


def check(loss: nn.Module, z: Tensor, y: Tensor, rows: Callable[[], Tensor]) -> None:
    """Every reduction of a loss against the losses of its rows."""
    weights, upstream = given(len(y))
    wanted = (z, *loss.parameters())
    for reduction in ("none", "mean", "sum"):
        loss.reduction = reduction
        value = loss(z, y, weights=weights)
        true = weights * rows()
        true = {"none": true, "mean": true.mean(), "sum": true.sum()}[reduction]
        torch.testing.assert_close(value, true, rtol=1e-12, atol=1e-12)
        ours, loops = ((v * upstream).sum() if v.ndim else v for v in (value, true))
        got = torch.autograd.grad(ours, wanted)
        torch.testing.assert_close(got, torch.autograd.grad(loops, wanted), rtol=1e-10, atol=1e-10)


def rows_of(row: reference.Row, z: Tensor, weight: Tensor, y: Tensor) -> Tensor:
    return torch.stack([row(x, weight, int(c)) for x, c in zip(z, y, strict=True)])


@pytest.mark.parametrize("case", FORMULAS)
@budgets
def test_reductions_and_weights_equal_the_formula(case: str, budget: int) -> None:
    name, params, length, formula = FORMULAS[case]
    z, y = batch(length=length)
    params = params if name == "softmax" else params | {"memory_budget": budget}
    loss = double_loss(name, **params).eval()  # running means stay where they are
    check(loss, z, y, lambda: rows_of(formula(loss), z, loss.weight, y))


@pytest.mark.parametrize("case", [c for c in FORMULAS if FORMULAS[c][0] in (*SMOOTHED, "softmax")])
@budgets
def test_smoothed_labels_equal_those_of_torch(
    case: str, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The formula of each member, with torch's cross-entropy over its logits."""

    def smoothed(target: Tensor, others: list[Tensor]) -> Tensor:
        logits = torch.stack([target, *others])
        return F.cross_entropy(logits, torch.tensor(0), label_smoothing=0.3)

    monkeypatch.setattr(reference, "cross_entropy", smoothed)
    name, params, length, formula = FORMULAS[case]
    z, y = batch(length=length)
    params = params if name == "softmax" else params | {"memory_budget": budget}
    loss = double_loss(name, label_smoothing=0.3, **params).eval()
    check(loss, z, y, lambda: rows_of(formula(loss), z, loss.weight, y))


@pytest.mark.parametrize("blocks", [False, True])
def test_smoothing_over_many_blocks_of_classes(blocks: bool, monkeypatch: Any) -> None:
    if blocks:
        monkeypatch.setattr("likewise.losses.head.class_blocks._BLOCK_BYTES", 3 * 4 * 8)
    loss = double_loss("normalized_softmax", classes=10, label_smoothing=0.1, scale=7.0)
    z, y = batch(classes=10)

    def rows() -> Tensor:
        cosines = F.normalize(z) @ F.normalize(loss.weight).T
        return F.cross_entropy(7.0 * cosines, y, reduction="none", label_smoothing=0.1)

    check(loss, z, y, rows)


def test_smoothing_with_one_class_and_far_from_the_target() -> None:
    loss = double_loss("cosface", classes=1, label_smoothing=0.5)
    z, y = batch(classes=1)
    value = loss(z, y)
    assert value.abs() < 1e-12
    assert torch.autograd.grad(value, z)[0].abs().max() < 1e-12
    loss = double_loss("cosface", label_smoothing=0.5, scale=1e4)
    assert loss(*batch()).isfinite()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_sampled_classes(name: str, smoothing: float) -> None:
    """The losses of the rows, and the sparse gradient, over the chosen classes alone."""
    more = {"label_smoothing": smoothing} if name in SMOOTHED else {}
    sizes = {"num_classes": 20, "embedding_dim": 4}
    z, y = batch(rows=5, classes=20)
    weights, upstream = given(5)
    place = Placement(sample=0.5, seed=3)
    torch.manual_seed(0)
    loss = create_loss(name, **sizes, placement=place, reduction="none", **more).double()
    state = {key: x.clone() for key, x in loss.state_dict().items() if "sampler" not in key}
    value = loss(z, y, weights=weights)
    by_z, by_weight = torch.autograd.grad((value * upstream).sum(), (z, loss.weight))
    by_weight = by_weight.coalesce()
    rows = by_weight.indices()[0]
    k = loss.subcenters
    chosen = rows.view(-1, k)[:, 0] // k
    assert len(chosen) == 10

    alone = create_loss(name, num_classes=10, embedding_dim=4, reduction="none", **more).double()
    alone.load_state_dict(state | {"weight": state["weight"][rows]})
    true = alone(z, torch.searchsorted(chosen, y), weights=weights)
    torch.testing.assert_close(value, true)
    expected = torch.autograd.grad((true * upstream).sum(), (z, alone.weight))
    torch.testing.assert_close((by_z, by_weight.values()), expected)


@pytest.mark.parametrize("name", [*HEADS, "prototype_memory"])
@pytest.mark.parametrize("gradient", ["exact", "detached"])
def test_the_backward_pass_of_rows_belongs_to_their_call(name: str, gradient: str) -> None:
    """Running means and margins that move between call and backward pass change nothing."""
    params: dict[str, Any] = {} if name == "normalized_softmax" else {"gradient": gradient}
    z, y = batch(length=2.0)
    y = torch.arange(6) // 2
    found = []
    for later in (False, True):
        torch.manual_seed(0)
        loss = create_loss(
            name, num_classes=5, embedding_dim=4, reduction="none", **params
        ).double()
        value = loss(z, y)
        if later:
            loss(torch.randn(6, 4, dtype=torch.float64), y)
            loss.set_margin_fraction(0.3)
        for _ in range(2):  # and it can be repeated
            got = torch.autograd.grad(value, (z, *loss.parameters()), given()[1], retain_graph=True)
            found.append((value.detach(), *got))
    for one in found[1:]:
        torch.testing.assert_close(one, found[0], rtol=0, atol=0)


def test_running_means_move_as_often_as_with_a_mean() -> None:
    z, y = batch()
    heads = [CurricularFace(5, 4, reduction=way).double() for way in ("mean", "none")]
    heads[1].load_state_dict(heads[0].state_dict())
    for head in heads:
        head(z, y).sum().backward()
    assert heads[0].progress == heads[1].progress != 0


def test_weights_changed_before_the_backward_pass_of_rows_are_noticed() -> None:
    z, y = batch()
    loss = double_loss("arcface", reduction="none")
    value = loss(z, y)
    with torch.no_grad():
        loss.weight += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.sum().backward()


@pytest.mark.parametrize("name", HEADS)
def test_a_gradient_penalty_of_rows_is_refused(name: str) -> None:
    z, y = batch()
    loss = double_loss(name, reduction="none")
    (by_z,) = torch.autograd.grad(loss(z, y).sum(), z, create_graph=True)
    with pytest.raises(LikewiseError, match="softmax family is differentiable once"):
        by_z.square().sum().backward()


def test_a_prototype_memory_weighs_rows_and_smooths_labels() -> None:
    z, _ = batch(rows=8)
    y, weights = torch.arange(8) // 2, given(8)[0]
    torch.manual_seed(0)
    loss = PrototypeMemory(4, 4, scale=5.0, label_smoothing=0.2, reduction="none").double()

    def plain() -> Tensor:
        unit = F.normalize(z)
        prototypes = F.normalize(unit.view(4, 2, 4).sum(1))
        logits = 5.0 * (unit @ prototypes.T - 0.35 * F.one_hot(y, 4).double())
        return F.cross_entropy(logits, y, reduction="none", label_smoothing=0.2)

    value, true = loss(z, y, weights=weights), weights * plain()
    torch.testing.assert_close(value, true)
    upstream = given(8)[1]
    got, expected = (torch.autograd.grad(v, z, upstream)[0] for v in (value, true))
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_a_decision_on_each_class_has_no_smoothing() -> None:
    for name in ("sphereface2", "uniface"):
        with pytest.raises(ValueError, match="unknown value 'label_smoothing'"):
            create_loss(name, num_classes=5, embedding_dim=4, label_smoothing=0.1)
    with pytest.raises(ValueError, match=r"label_smoothing: 1.*; must be a number .* below 1"):
        create_loss("arcface", num_classes=5, embedding_dim=4, label_smoothing=1)


def test_labels_and_weights_may_be_reused_before_the_backward_pass() -> None:
    torch.manual_seed(0)
    head = ArcFace(6, 8, reduction="none").double()
    z, y = torch.randn(12, 8, dtype=torch.float64), torch.arange(12) % 6
    weights = torch.rand(12, dtype=torch.float64)
    expected = torch.autograd.grad(head(z, y, weights=weights).sum(), head.weight)[0]
    value = head(z, y, weights=weights)
    y.zero_()
    weights.zero_()
    torch.testing.assert_close(torch.autograd.grad(value.sum(), head.weight)[0], expected)
