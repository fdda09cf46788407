"""Value and gradient of the whole softmax family: plain loops over the formulas, differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.losses.batches import HEADS, batch, double_loss
from tests.losses.margins import reference

# A formula may need what the loss has learned or measured: it is made after the loss was called.
Formula = Callable[[nn.Module], reference.Row]

CASES: dict[str, tuple[str, dict[str, Any], float, Formula]] = {
    # id: (name, parameters, length of the embeddings, formula)
    "normalized_softmax": (
        "normalized_softmax",
        {"scale": 8.0},
        1.0,
        lambda _: reference.normalized_softmax(8.0),
    ),
    "cosface": ("cosface", {}, 1.0, lambda _: reference.cosface()),
    "arcface": ("arcface", {}, 1.0, lambda _: reference.arcface()),
    "arcface-past-pi": (
        "arcface",
        {"margin": 2.0, "scale": 5.0},
        1.0,
        lambda _: reference.arcface(2.0, 5.0),
    ),
    "airface": ("airface", {}, 1.0, lambda _: reference.airface()),
    "combined": ("combined", {}, 1.0, lambda _: reference.combined()),
    "combined-all": (
        "combined",
        {"m1": 1.2, "m2": 0.4, "m3": 0.1, "scale": 9.0},
        1.0,
        lambda _: reference.combined(1.2, 0.4, 0.1, 9.0),
    ),
    "subcenter_arcface": ("subcenter_arcface", {}, 1.0, lambda _: reference.subcenter_arcface()),
    "subcenter_arcface-2": (
        "subcenter_arcface",
        {"subcenters": 2, "scale": 6.0},
        1.0,
        lambda _: reference.subcenter_arcface(0.5, 6.0, 2),
    ),
    "sphereface-first-step": ("sphereface", {}, 3.0, lambda _: reference.sphereface(4, 1000.0)),
    "sphereface-m4": (
        "sphereface",
        {"base": 0, "minimum": 0},
        3.0,
        lambda _: reference.sphereface(4, 0.0),
    ),
    "sphereface-m3": (
        "sphereface",
        {"margin": 3, "base": 2},
        3.0,
        lambda _: reference.sphereface(3, 5.0),
    ),
    "lsoftmax-first-step": ("lsoftmax", {}, 3.0, lambda _: reference.lsoftmax(4, 1000.0)),
    "lsoftmax-m4": ("lsoftmax", {"base": 0}, 3.0, lambda _: reference.lsoftmax(4, 0.0)),
    "lsoftmax-m2": ("lsoftmax", {"margin": 2, "base": 1}, 3.0, lambda _: reference.lsoftmax(2, 1)),
    "adaface": (
        "adaface",
        {},
        20.0,
        lambda loss: reference.adaface(float(loss.norm_mean), float(loss.norm_deviation)),
    ),
    "adaface-clipped": (
        "adaface",
        {"rate": 1.0, "scale": 10.0},
        100.0,
        lambda loss: reference.adaface(
            float(loss.norm_mean), float(loss.norm_deviation), scale=10.0
        ),
    ),
    "magface": ("magface", {"scale": 8.0}, 60.0, lambda _: reference.magface(8.0)),
    "magface-clipped": ("magface", {"scale": 8.0}, 10.0, lambda _: reference.magface(8.0)),
    "curricularface": (
        "curricularface",
        {"rate": 0.5, "scale": 12.0},
        1.0,
        lambda loss: reference.curricularface(float(loss.progress), scale=12.0),
    ),
    # Drawn margins: test_elasticface.py.
    "elastic_arcface": ("elastic_arcface", {"deviation": 0}, 1.0, lambda _: reference.arcface()),
    "elastic_cosface": ("elastic_cosface", {"deviation": 0}, 1.0, lambda _: reference.cosface()),
    "sphereface2": ("sphereface2", {}, 1.0, lambda loss: reference.sphereface2(loss.bias)),
    "uniface": ("uniface", {}, 1.0, lambda loss: reference.uniface(loss.bias)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("budget", [2**29, 1], ids=["one-chunk", "row-by-row"])
def test_value_and_gradient(case: str, budget: int) -> None:
    name, params, length, formula = CASES[case]
    z, y = batch(length=length)
    loss = double_loss(name, memory_budget=budget, **params)
    value = loss(z, y)
    wanted = (z, *loss.parameters())
    got = torch.autograd.grad(value, wanted)

    expected_value = reference.mean(formula(loss))(z, loss.weight, y)
    expected = torch.autograd.grad(expected_value, wanted)

    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("rows", "classes"), [(1, 5), (6, 2), (1, 2), (6, 1)])
def test_smallest_sizes(case: str, rows: int, classes: int) -> None:
    """One sample, two classes, one class: nothing is a special case."""
    name, params, length, formula = CASES[case]
    z, y = batch(length=length, rows=rows, classes=classes)
    loss = double_loss(name, classes=classes, **params)
    value = loss(z, y)
    got = torch.autograd.grad(value, (z, loss.weight))
    expected_value = reference.mean(formula(loss))(z, loss.weight, y)
    expected = torch.autograd.grad(expected_value, (z, loss.weight))
    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_every_head_has_a_formula() -> None:
    assert {name for name, *_ in CASES.values()} == set(HEADS)


@pytest.mark.parametrize("bias", [True, False])
def test_softmax(bias: bool) -> None:
    z, y = batch()
    loss = double_loss("softmax", bias=bias)
    if bias:
        torch.nn.init.normal_(loss.bias)
    value = loss(z, y)
    zeros = torch.zeros(5, dtype=torch.float64)
    expected = reference.mean(reference.softmax(loss.bias if bias else zeros))(z, loss.weight, y)
    wanted = (z, *loss.parameters())
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(value, wanted),
        torch.autograd.grad(expected, wanted),
        rtol=1e-10,
        atol=1e-10,
    )
    parameters = dict(loss.named_parameters())

    def changed(z: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(loss, named, (z, y))

    assert torch.autograd.gradcheck(changed, (z, *parameters.values()))


@pytest.mark.parametrize("case", CASES)
def test_finite_differences(case: str) -> None:
    name, params, length, _ = CASES[case]
    z, y = batch(length=length, rows=4)
    loss = double_loss(name, **{"scale": 4.0, **params} if accepts_scale(name) else params)
    loss.eval()  # running statistics stand still

    def value(z: Tensor, *parameters: Tensor) -> Tensor:
        names = dict(loss.named_parameters())
        changed = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(loss, changed, (z, y))

    # The quality of a photo carries no gradient, by definition: hold it fixed for the differences.
    if name == "adaface":
        quality = loss.margins(torch.linalg.vector_norm(z, dim=1))
        loss.margins = lambda _: quality
    assert torch.autograd.gradcheck(value, (z, *loss.parameters()), atol=1e-6)


def accepts_scale(name: str) -> bool:
    return name not in {"sphereface", "lsoftmax"}
