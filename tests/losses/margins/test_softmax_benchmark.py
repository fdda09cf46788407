"""The sides of the head's benchmark compute the same loss; each can take a step."""

from __future__ import annotations

import pytest
import torch

from likewise.losses import ArcFace
from tests.losses.batches import batch

pytest.importorskip("pytorch_metric_learning")

from benchmarks.softmax_head import copies, judged, speed
from benchmarks.softmax_sides import MARGIN, SCALE, Naive, side

SIDES = ["head", "head_weighted", "head_smoothed", "head_rows", "pml", "naive", "gemm"]


def test_the_naive_formula_is_the_loss() -> None:
    torch.manual_seed(0)
    z, y = batch(rows=12)
    naive = Naive(5, 4).double()
    loss = ArcFace(5, 4, margin=MARGIN, scale=SCALE).double()
    loss.load_state_dict({"weight": naive.weight.detach()})
    # Towards the own class, as the naive formula rises again past π.
    z = (z + 50 * naive.weight[y]).detach().requires_grad_()
    value, expected = loss(z, y), naive(z, y)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    for a, b in ((loss.weight, naive.weight), (z, z)):
        (got,) = torch.autograd.grad(value, a, retain_graph=True)
        (wanted,) = torch.autograd.grad(expected, b, retain_graph=True)
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", SIDES)
def test_every_side_takes_a_step(name: str, half: bool) -> None:
    side(name, 20, half=half, dimension=8)()


@pytest.mark.slow  # it compiles
@pytest.mark.parametrize("half", [False, True])
def test_the_compiled_side_takes_a_step(half: bool) -> None:
    side("compiled", 20, half=half, dimension=8)()


@pytest.mark.slow  # fresh processes
def test_the_head_holds_fewer_copies_than_the_formula() -> None:
    head, naive = copies("head", "10k"), copies("naive", "10k")
    assert head["name"] == "losses.head_copies_10k"
    assert head["value"] + 1 < naive["value"]


@pytest.mark.slow  # a fresh process
def test_rows_have_the_names_and_bars_of_the_plan() -> None:
    found = speed("1k", 1, ["gemm", "pml", "head_weighted"], retained=True)
    assert [r["name"] for r in found] == [
        "losses.head_vs_gemm_1k_retained",
        "losses.head_vs_pml_1k_retained",
        "losses.head_weighted_1k_retained",
    ]
    for name, good, bad in [
        ("losses.head_vs_pml_100k", 2.0, 1.9),
        ("losses.head_vs_gemm_100k", 1.5, 1.6),
        ("losses.head_copies_100k", 0.1, 0.2),
        ("losses.head_weighted_100k", 1.05, 1.1),
    ]:
        assert judged(name, good, "x")["holds"]
        assert not judged(name, bad, "x")["holds"]
