"""Sampled classes: which ones, their sparse gradient, and what a resumed run draws."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError
from likewise.losses import Placement, Shard, create_loss
from likewise.losses.classes.mapped_rows import mapped_zeros
from likewise.losses.classes.sampling import ClassSampler
from likewise.losses.registration import REGISTERED
from tests.losses.batches import HEADS, batch

CLASSES, DIM = 40, 6


def sampled(name: str, classes: int = CLASSES, **placement: Any) -> nn.Module:
    torch.manual_seed(0)
    place = Placement(**{"sample": 0.3, "seed": 7} | placement)
    loss = create_loss(name, num_classes=classes, embedding_dim=DIM, placement=place).double()
    with torch.no_grad():
        loss.weight.normal_()
    return loss


def few_classes(loss: nn.Module, chosen: Tensor) -> nn.Module:
    """The same loss over the chosen classes alone, all of them, with their weights."""
    alone = create_loss(name_of(loss), num_classes=len(chosen), embedding_dim=DIM).double()
    own = {name: value for name, value in loss.state_dict().items() if "sampler" not in name}
    own["weight"] = own["weight"].view(CLASSES, -1, DIM)[chosen].flatten(0, 1)
    alone.load_state_dict(own)
    return alone


def name_of(loss: nn.Module) -> str:
    return next(name for name, found in REGISTERED.items() if found.kind is type(loss))


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("budget", [2**29, 12 * 3 * 8], ids=["one-chunk", "chunks"])
def test_equals_the_loss_over_the_chosen_classes_alone(name: str, budget: int) -> None:
    loss = sampled(name)
    loss.memory_budget = budget
    z, y = batch(rows=9, classes=CLASSES, dim=DIM, length=3.0)
    before = copy.deepcopy(loss)
    value = loss(z, y)
    by_z = torch.autograd.grad(3 * value, (z, loss.weight))
    gradient = by_z[1].coalesce()
    k = loss.subcenters
    chosen = gradient.indices()[0].view(-1, k)[:, 0] // k
    assert len(chosen) == int(0.3 * CLASSES)
    assert gradient.values().shape == (len(chosen) * k, DIM)
    alone = few_classes(before, chosen)
    expected = alone(z, torch.searchsorted(chosen, y))
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=1e-13)
    want_z, want_weight = torch.autograd.grad(3 * expected, (z, alone.weight))
    torch.testing.assert_close(by_z[0], want_z, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradient.values(), want_weight, rtol=1e-12, atol=1e-13)
    assert torch.equal(loss.hits, alone.hits)


@pytest.mark.parametrize("storage", ["memory", "mmap"])
@pytest.mark.parametrize("name", HEADS)
def test_every_class_equals_the_full_head(name: str, storage: str, tmp_path: Path) -> None:
    z, y = batch(rows=9, classes=CLASSES, dim=DIM)
    full, whole = sampled(name, sample=None), sampled(name, sample=1.0)
    if storage == "mmap":  # mapped weights are float32, and so is what is made of them
        place = Placement(storage="mmap", folder=tmp_path)
        sizes = {"num_classes": CLASSES, "embedding_dim": DIM}
        full, whole = full.float(), create_loss(name, **sizes, placement=place)
        whole.load_state_dict(full.state_dict(), strict=False)
        z = z.detach().float().requires_grad_()
    value, expected = whole(z, y), full(z, y)
    got = torch.autograd.grad(value, (z, whole.weight))
    want = torch.autograd.grad(expected, (z, full.weight))
    assert torch.equal(value, expected)
    assert torch.equal(got[0], want[0])
    assert got[1].is_sparse
    assert torch.equal(got[1].to_dense(), want[1])


def test_gradients_are_coalesced_and_add_up() -> None:
    loss = sampled("arcface")
    z, y = batch(rows=5, classes=CLASSES, dim=DIM)
    loss(z, y).backward()
    assert loss.weight.grad.is_sparse
    assert loss.weight.grad.is_coalesced()
    first = loss.weight.grad.to_dense()
    loss(z, y).backward()
    both = loss.weight.grad.to_dense()
    torch.testing.assert_close(both, first + gradient_of_second_step(z, y))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))], ids=["copy", "pickle"]
)
def test_the_gradients_of_a_copy_are_coalesced_too(
    copied: Callable[[nn.Module], nn.Module],
) -> None:
    loss = sampled("arcface")
    again = copied(loss)
    z, y = batch(rows=5, classes=CLASSES, dim=DIM)
    for each in (loss, again):
        each(z, y).backward()
        assert each.weight.grad.is_coalesced()
    assert torch.equal(loss.weight.grad.to_dense(), again.weight.grad.to_dense())


def gradient_of_second_step(z: Tensor, y: Tensor) -> Tensor:
    loss = sampled("arcface")
    loss(z, y)
    loss(z, y).backward()
    return loss.weight.grad.to_dense()


def test_nothing_else_reaches_the_weights(tmp_path: Path) -> None:
    loss = sampled("cosface", sample=0.1)
    z, y = batch(rows=3, classes=CLASSES, dim=DIM)
    loss.weight.data[int(y[0])] = 0  # a zero row is nobody's NaN
    loss(z, y).backward()
    touched = set(loss.weight.grad.indices()[0].tolist())
    assert set(y.tolist()) <= touched
    assert len(touched) == 4


def draws(sample: float, classes: int = CLASSES, **more: Any) -> ClassSampler:
    return ClassSampler(Placement(sample=sample, **more), classes)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("shard", [Shard(), Shard(0, 3), Shard(2, 3)])
def test_chosen_classes(mapped: bool, shard: Shard, tmp_path: Path) -> None:
    classes = 20_011
    span = shard.span(classes)
    own = span.stop - span.start
    disk: dict[str, Any] = {"storage": "mmap", "folder": tmp_path} if mapped else {}
    sampler = draws(0.2, classes, shard=shard, **disk)
    labels = torch.randint(classes, (300,), generator=torch.Generator().manual_seed(0))
    seen = []
    for _ in range(4):
        columns = sampler.columns(labels)
        chosen = columns.chosen
        assert chosen is not None
        assert len(chosen) == int(0.2 * own)
        assert (chosen[1:] > chosen[:-1]).all()
        assert chosen[0] >= 0
        assert chosen[-1] < own
        inside = (labels >= span.start) & (labels < span.stop)
        assert torch.equal(chosen[columns.places[inside]], labels[inside] - span.start)
        assert (columns.places[~inside] == -1).all()
        seen.append(chosen)
        if mapped:  # few seams: stretches of 256, and the batch's own between them
            present = len(labels[inside].unique())
            assert int((chosen.diff() > 1).sum()) <= 2 * present + len(chosen) / 256 + 2
    assert not torch.equal(seen[0], seen[1])


def test_each_negative_is_as_likely_as_another() -> None:
    sampler = draws(0.25)
    labels = torch.tensor([3, 3, 17])
    counts = np.zeros(CLASSES)
    rounds = 4000
    for _ in range(rounds):
        chosen = sampler.columns(labels).chosen
        assert chosen is not None
        counts[chosen.numpy()] += 1
    assert counts[3] == counts[17] == rounds
    rest = np.delete(counts, [3, 17]) / rounds
    expected = 8 / 38
    assert np.abs(rest - expected).max() < 5 * math.sqrt(expected * (1 - expected) / rounds)


def test_the_batch_alone_may_be_more_than_the_share() -> None:
    labels = torch.arange(30)
    columns = draws(0.1).columns(labels)
    assert columns.chosen is not None
    assert torch.equal(columns.chosen, labels)
    assert columns.most == 30


def test_a_resumed_run_draws_the_same() -> None:
    z, y = batch(rows=5, classes=CLASSES, dim=DIM)
    loss = sampled("arcface")
    for _ in range(3):
        loss(z, y)
    state = {key: value.clone() for key, value in loss.state_dict().items()}
    assert state["sampler.state"].tolist() == [7, 3]
    values = [float(loss(z, y).detach()) for _ in range(3)]
    resumed = sampled("arcface", seed=0)
    resumed.load_state_dict(state)
    assert [float(resumed(z, y).detach()) for _ in range(3)] == values
    assert len(set(values)) == 3


def test_evaluation_sees_every_class_and_draws_none() -> None:
    z, y = batch(rows=5, classes=CLASSES, dim=DIM)
    loss, full = sampled("cosface").eval(), sampled("cosface", sample=None).eval()
    assert loss(z, y) == full(z, y)
    assert loss.sampler.state.tolist() == [7, 0]


def test_the_sum_over_negatives_is_sampled_without_bias() -> None:
    """``e^loss - 1`` is a sum over negatives: with a tenth of them, a tenth on average."""
    z, y = batch(rows=1, classes=400, dim=DIM)
    params = {"num_classes": 400, "embedding_dim": DIM}
    loss = create_loss("normalized_softmax", **params, placement=Placement(sample=0.1), scale=2.0)
    with torch.no_grad():
        full = float(loss.eval()(z, y).expm1())
        loss.train()
        sums = torch.stack([loss(z, y).expm1() for _ in range(300)])
    expected = full * 39 / 399
    assert abs(float(sums.mean()) - expected) < 4 * float(sums.std()) / math.sqrt(300)


def test_wrong_use(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"num_classes": 4, "embedding_dim": 2}
    for sample in (0, 1.1, math.nan):
        with pytest.raises(InputError, match=r"sample: .*; must be a number above 0"):
            Placement(sample=sample)
    with pytest.raises(InputError, match="folder: memory-mapped class weights need one"):
        Placement(storage="mmap")
    with pytest.raises(InputError, match="storage: unknown value 'disk'"):
        Placement(storage="disk", folder=tmp_path)
    with pytest.raises(InputError, match="triplet: its classes cannot be sampled"):
        create_loss("triplet", **sizes, placement=Placement(sample=0.5))
    with pytest.raises(InputError, match="softmax: its classes cannot be sampled"):
        create_loss("softmax", **sizes, placement=Placement(sample=0.5))
    loss = create_loss("arcface", **sizes, placement=Placement(sample=0.5)).bfloat16()
    with pytest.raises(InputError, match="class weights: bfloat16; sampled ones must be float32"):
        loss(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64))
    loss = create_loss("arcface", **sizes, placement=Placement(storage="mmap", folder=tmp_path))
    with pytest.raises(InputError, match="class weights: moved to meta; .*on the CPU"):
        loss.to("meta")(torch.ones(1, 2, device="meta"), torch.zeros(1, dtype=torch.int64))


def test_mapped_rows_leave_no_file_and_no_anonymous_memory(tmp_path: Path) -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("resident memory is read from /proc")

    def anonymous() -> int:
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    before = anonymous()
    rows = mapped_zeros(tmp_path / "rows", (2**16, 256))  # 64 MiB
    rows.fill_(1.0)
    assert anonymous() - before < 8 * 1024
    assert float(rows.sum()) == 2**24
    assert not any((tmp_path / "rows").iterdir())


def test_no_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    place = Placement(storage="mmap", folder=tmp_path)
    with pytest.raises(LikewiseError, match=r"GiB are needed for class rows, .* GiB are free") as e:
        create_loss("arcface", num_classes=10**10, embedding_dim=512, placement=place)
    assert "\n" not in str(e.value)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_an_empty_batch_and_a_compiled_head() -> None:
    loss = sampled("arcface")
    z, y = batch(rows=0, classes=CLASSES, dim=DIM)
    value = loss(z, y)
    value.backward()
    assert value == 0
    assert loss.weight.grad.to_dense().abs().max() == 0
    torch.compiler.reset()
    z, y = batch(rows=5, classes=CLASSES, dim=DIM)
    plain, compiled = sampled("arcface"), torch.compile(sampled("arcface"), backend="aot_eager")
    torch.testing.assert_close(compiled(z, y), plain(z, y), rtol=1e-12, atol=1e-12)
