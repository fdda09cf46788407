"""Where formulas break in floating point: kinks, empty sets, zeros, half precision, memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError
from likewise.losses import (
    Contrastive,
    CrossBatchMemory,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    Sum,
    SupCon,
    Triplet,
)
from tests.losses.cases import CASES, CLASSES, DIMENSION, Case, batch

every_case = pytest.mark.parametrize("case", CASES, ids=str)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def gradients(
    loss: nn.Module, z: Tensor, y: Tensor, autocast: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    z = z.detach().clone().requires_grad_()
    with torch.autocast(z.device.type, dtype=autocast, enabled=autocast is not None):
        value = loss(z, y)
    (grad,) = torch.autograd.grad(value, z)
    return value.detach(), grad


ONE = torch.tensor([[0.6, 0.8, 0.0, 0.0]])
PLACES = {
    "equal": ONE.repeat(6, 1),
    "opposite": torch.cat([ONE, -ONE]).repeat(3, 1),
    "zero": torch.zeros(6, DIMENSION),
    "one zero": torch.cat([torch.zeros(1, DIMENSION), torch.randn(5, DIMENSION)]),
    "tiny": 1e-30 * torch.randn(6, DIMENSION),
    "long": 1e6 * torch.randn(6, DIMENSION),
    "nearly equal": ONE + 1e-7 * torch.randn(6, DIMENSION),
}


@every_case
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]], ids=str)
def test_value_and_gradient_are_finite(case: Case, place: str, labels: list[int]) -> None:
    value, grad = gradients(case.make(), PLACES[place], torch.tensor(labels))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


@every_case
def test_all_equal_on_the_sphere_has_gradient_zero(case: Case) -> None:
    """Distance 0 and cosine 1 between samples: the subgradient 0 pulls nobody anywhere."""
    if case.weights:
        pytest.skip("its class weights still pull")
    _, grad = gradients(case.make().double(), PLACES["equal"].double(), torch.arange(6) // 2)
    torch.testing.assert_close(grad, torch.zeros_like(grad), atol=1e-12, rtol=0)


@pytest.mark.parametrize("make", [ProxyNCA, ProxyAnchor])
@pytest.mark.parametrize("sign", [1, -1])
def test_on_a_proxy_exactly(make: type[nn.Module], sign: int) -> None:
    loss = make(num_classes=CLASSES, embedding_dim=DIMENSION)
    value, grad = gradients(loss, sign * loss.proxies.detach(), torch.arange(CLASSES))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


# What a batch of one class leaves to learn: a term on same pairs alone, or class weights.
PULLS = {
    "contrastive",
    "siamese",
    "multi_similarity-all",
    "center",
    "proxy_nca",
    "proxy_anchor",
    "soft_triple",
    "margin_loss-all",
}


@every_case
@pytest.mark.parametrize(
    "labels", [[3] * 6, [0, 1, 2, 3], [2], []], ids=["one class", "no positive", "one", "none"]
)
def test_an_empty_set_contributes_zero(case: Case, labels: list[int]) -> None:
    torch.manual_seed(0)
    loss = case.make()
    z = torch.randn(len(labels), DIMENSION)
    value, grad = gradients(loss, z, torch.tensor(labels, dtype=torch.int64))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()
    needs_both = not case.name.startswith(tuple(PULLS)) or case.name in (
        "multi_similarity",
        "multi_similarity-tight",
    )
    alone = len(labels) == 1 and loss.compares_samples
    if needs_both or alone or not labels:
        assert value == 0
        assert (grad == 0).all()
    elif len(set(labels)) == 1:
        assert value != 0


def test_proxy_nca_of_one_class_is_zero() -> None:
    loss = ProxyNCA(num_classes=1, embedding_dim=4)
    value, grad = gradients(loss, torch.randn(3, 4), torch.zeros(3, dtype=torch.int64))
    assert value == 0
    assert (grad == 0).all()


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("device", DEVICES)
def test_half_precision_is_computed_in_float32(case: Case, dtype: torch.dtype, device: str) -> None:
    torch.manual_seed(0)
    loss = case.make().to(device)
    z, y = batch(dtype=dtype)
    z, y = z.detach().to(device), y.to(device)
    expected, expected_grad = gradients(loss, z.float(), y)
    value, grad = gradients(loss, z, y, autocast=dtype)
    inside, _ = gradients(loss, z.float(), y, autocast=dtype)
    assert value.dtype == inside.dtype == torch.float32
    assert grad.dtype == dtype
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(inside, expected)
    torch.testing.assert_close(grad, expected_grad.to(dtype))


@every_case
def test_float32_is_close_to_float64(case: Case) -> None:
    torch.manual_seed(0)
    loss = case.make()
    z, y = batch()
    single, double = gradients(loss, z.float(), y), gradients(loss.double(), z, y)
    for a, b in zip(single, double, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-4)


@every_case
@pytest.mark.parametrize("shift", [2**24, 2**31, 2**53, 2**63 - 10], ids=["24", "31", "53", "63"])
def test_labels_are_names_of_64_bits(case: Case, shift: int) -> None:
    """Neighbours that float32, int32 or float64 would merge stay two classes."""
    if case.weights in (("centers",), ("proxies",)) or case.name == "margin_loss-class":
        pytest.skip("its labels count its classes")
    torch.manual_seed(0)
    loss = case.make().double()
    z, y = batch()
    for a, b in zip(gradients(loss, z, y), gradients(loss, z, y + shift), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_memory_keeps_labels_of_64_bits() -> None:
    losses = [CrossBatchMemory(NTXent(), embedding_dim=DIMENSION, memory_size=16) for _ in "ab"]
    for seed in range(3):
        z, y = batch(seed, dtype=torch.float32)
        near, far = (loss(z, y + shift) for loss, shift in zip(losses, (0, 2**53), strict=True))
        assert near == far


@every_case
@pytest.mark.parametrize("length", [1e-30, 1e19, 1e30, 1e38])
def test_what_is_long_is_right_or_a_number_error(case: Case, length: float) -> None:
    """Never a loss that stands still, nor an input error, which would end a training run."""
    torch.manual_seed(0)
    loss = case.make()
    z, y = batch(dtype=torch.float32)
    z = z.detach() / z.detach().abs().max() * length
    expected, true = gradients(copy.deepcopy(loss).double(), z.double(), y)
    try:
        value, got = gradients(loss, z, y)
    except LikewiseError as error:
        assert "the loss is" in str(error)
        assert not isinstance(error, InputError)
        assert abs(expected) > 1e36  # with its sums beyond the largest float
        return
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-5)
    got, true = length * got.double(), length * true
    torch.testing.assert_close(got, true, rtol=1e-3, atol=1e-4 * float(true.abs().max()))


def test_an_overflow_names_the_loss() -> None:
    z = torch.tensor([[3e38], [-3e38], [0.0]])
    with pytest.raises(LikewiseError, match=r"Contrastive: the loss is (nan|inf).*3e\+38"):
        Contrastive(normalize=False)(z, torch.tensor([0, 0, 1]))


@pytest.mark.parametrize(
    "loss", [NTXent(), SupCon(), MultiSimilarity(), Triplet()], ids=lambda m: type(m).__name__
)
def test_no_pairs_are_listed(loss: nn.Module) -> None:
    """Tensors saved for the backward pass stay within a few B×B matrices."""
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    size = 512
    z = torch.randn(size, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(z, torch.arange(size) // 64)
    assert sum(saved.values()) <= 10 * size * size * 4


@every_case
def test_memory_and_sums_work_with_every_loss(case: Case) -> None:
    torch.manual_seed(0)
    loss = CrossBatchMemory(
        Sum(case.make(), 0.5 * case.make()), embedding_dim=DIMENSION, memory_size=16
    )
    for seed in range(3):
        z, y = batch(seed, dtype=torch.float32)
        value = loss(z, y)
        assert torch.isfinite(value)
        value.backward()
        assert torch.isfinite(z.grad).all()
