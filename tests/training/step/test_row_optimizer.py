"""Row optimisers: equal to torch's with all rows, and to a plain loop with few of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import Placement, create_loss
from likewise.training.recipe.recipe import HeadChoice, Optimizer, Recipe, recipe_with
from likewise.training.setup.build import loss_of
from likewise.training.step.optimizer import build_optimizer
from likewise.training.step.row_optimizer import RowAdamW, RowSGD

ROWS, DIM, STEPS = 50, 4, 6
Make = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
ALL = [
    pytest.param(
        lambda g: RowSGD(g, 0.1, momentum=0.9, weight_decay=0.01),
        lambda g: torch.optim.SGD(g, 0.1, momentum=0.9, weight_decay=0.01),
        id="sgd",
    ),
    pytest.param(
        lambda g: RowSGD(g, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda g: torch.optim.SGD(g, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        id="nesterov",
    ),
    pytest.param(lambda g: RowSGD(g, 0.1), lambda g: torch.optim.SGD(g, 0.1), id="plain-sgd"),
    pytest.param(
        lambda g: RowAdamW(g, 0.1, weight_decay=0.05),
        lambda g: torch.optim.AdamW(g, 0.1, weight_decay=0.05),
        id="adamw",
    ),
    pytest.param(
        lambda g: RowAdamW(g, 0.1, betas=(0.8, 0.95), eps=1e-3),
        lambda g: torch.optim.AdamW(g, 0.1, betas=(0.8, 0.95), eps=1e-3),
        id="adamw-betas",
    ),
]


def parameter(seed: int = 0) -> nn.Parameter:
    generator = torch.Generator().manual_seed(seed)
    return nn.Parameter(torch.randn(ROWS, DIM, generator=generator, dtype=torch.float64))


def sparse(rows: Tensor, values: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(rows[None], values, (ROWS, DIM), check_invariants=True)


@pytest.mark.parametrize(("ours", "theirs"), ALL)
@pytest.mark.parametrize("is_sparse", [True, False])
def test_every_row_equals_torch(
    ours: Make, theirs: Make, is_sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("likewise.training.step.row_optimizer._BLOCK_BYTES", 7 * DIM * 8)
    mine, its = [parameter(), parameter(1)], [parameter(), parameter(1)]
    row_groups = [{"params": [mine[0]], "rows": True}, {"params": [mine[1]]}]
    optimizers = ours(row_groups), theirs([{"params": its}])
    for step in range(STEPS):
        grads = parameter(10 + step).detach(), parameter(20 + step).detach()
        rows = torch.randperm(ROWS)
        mine[0].grad = sparse(rows, grads[0][rows]) if is_sparse else grads[0].clone()
        mine[1].grad = grads[1].clone()
        its[0].grad, its[1].grad = (grad.clone() for grad in grads)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 0.1 / (1 + step)
            optimizer.step()
    for got, expected in zip(mine, its, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    state, expected_state = optimizers[0].state[mine[0]], optimizers[1].state[its[0]]
    for name, expected in expected_state.items():
        if expected is not None:
            torch.testing.assert_close(state[name], expected, check_dtype=False)


def plain_loop(name: str, weight: Tensor, grads: list[dict[int, Tensor]]) -> Tensor:
    """One row at a time, straight from the formulas."""
    weight = weight.detach().clone()
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    row = torch.zeros(len(weight), dtype=weight.dtype)
    lr, decay = 0.1, 0.05
    for step, by_row in enumerate(grads, start=1):
        for j, g in by_row.items():
            if name == "sgd":
                first[j] = 0.9 * first[j] + g + decay * weight[j]
                weight[j] -= lr * first[j]
                continue
            weight[j] *= 1 - lr * decay
            if name == "row":
                row[j] = 0.999 * row[j] + 0.001 * sum(x * x for x in g) / DIM
                weight[j] -= lr * g / ((row[j] / (1 - 0.999**step)) ** 0.5 + 1e-8)
                continue
            first[j] = 0.9 * first[j] + 0.1 * g
            second[j] = 0.999 * second[j] + 0.001 * g * g
            spread = (second[j] / (1 - 0.999**step)).sqrt() + 1e-8
            weight[j] -= lr * first[j] / (1 - 0.9**step) / spread
    return weight


MAKERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda g, **kw: RowSGD(g, 0.1, momentum=0.9, weight_decay=0.05, **kw),
    "adamw": lambda g, **kw: RowAdamW(g, 0.1, weight_decay=0.05, **kw),
    "row": lambda g, **kw: RowAdamW(g, 0.1, weight_decay=0.05, moments="row", **kw),
}


def some_rows(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    rows = torch.randperm(ROWS, generator=generator)[:12]
    return rows, torch.randn(12, DIM, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("mapped", [False, True])
def test_few_rows_equal_a_plain_loop(name: str, mapped: bool, tmp_path: Path) -> None:
    weight = parameter()
    folder = tmp_path if mapped else None
    optimizer = MAKERS[name]([{"params": [weight], "rows": True}], folder=folder)
    grads = []
    begin = weight.detach().clone()
    for step in range(STEPS):
        rows, values = some_rows(step)
        grads.append(dict(zip(rows.tolist(), values, strict=True)))
        weight.grad = sparse(rows, values)
        optimizer.step()
    expected = plain_loop(name, begin, grads)
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-12, atol=1e-12)
    untouched = [j for j in range(ROWS) if all(j not in by_row for by_row in grads)]
    assert untouched
    assert torch.equal(weight[untouched], begin[untouched])
    sizes = {key: len(x) for key, x in optimizer.state[weight].items() if x.ndim}
    assert set(sizes.values()) == {ROWS}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("moved", [True, False])
def test_a_state_loaded_goes_on_the_same(name: str, moved: bool, tmp_path: Path) -> None:
    weight, other = parameter(), parameter(1)

    def groups(*parameters: nn.Parameter) -> list[dict[str, Any]]:
        return [{"params": [parameters[1]]}, {"params": [parameters[0]], "rows": True}]

    first = MAKERS[name](groups(weight, other))

    def step(optimizer: torch.optim.Optimizer, number: int, *parameters: nn.Parameter) -> None:
        parameters[0].grad = sparse(*some_rows(number))
        parameters[1].grad = parameter(number).detach()
        optimizer.step()

    for number in range(3 if moved else 0):
        step(first, number, weight, other)
    again = [nn.Parameter(p.detach().clone()) for p in (weight, other)]
    second = MAKERS[name](groups(*again), folder=tmp_path)
    step(second, 99, *(nn.Parameter(p.detach().clone()) for p in again))  # as nothing of theirs
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # else torch shares the tensors
    for number in range(3, 5):
        step(first, number, weight, other)
        step(second, number, *again)
    assert torch.equal(weight, again[0])
    assert torch.equal(other, again[1])


def test_row_moments_take_little() -> None:
    weight = nn.Parameter(torch.zeros(1000, 128))
    optimizer = RowAdamW([{"params": [weight], "rows": True}], moments="row")
    optimizer.allocate()
    numbers = sum(x.numel() for x in optimizer.state[weight].values())
    assert numbers <= 0.01 * weight.numel()


def test_the_recipe_chooses() -> None:
    module = nn.Linear(3, DIM)
    sizes: dict[str, Any] = {"num_classes": ROWS, "embedding_dim": DIM}

    def built(name: str, head: HeadChoice, loss: str = "arcface") -> torch.optim.Optimizer:
        place = Placement(sample=head.sample) if head.sample < 1 else None
        made = create_loss(loss, **sizes, placement=place)
        return build_optimizer(Optimizer(name=name), module, made, head)

    assert type(built("sgd", HeadChoice())) is torch.optim.SGD
    assert type(built("adamw", HeadChoice())) is torch.optim.AdamW
    assert type(built("sgd", HeadChoice(sample=0.5))) is RowSGD
    optimizer = built("adamw", HeadChoice(sample=0.5, moments="row"), "softmax + arcface"[10:])
    assert type(optimizer) is RowAdamW
    assert [len(group["params"]) for group in optimizer.param_groups if group.get("rows")] == [1]
    with pytest.raises(InputError, match=r"head.moments: row; sgd keeps no second moment"):
        built("sgd", HeadChoice(moments="row"))
    with pytest.raises(InputError, match=r"head.moments: row; this loss has no class weights"):
        built("adamw", HeadChoice(moments="row"), "triplet")


def test_the_recipe_places_class_weights(tmp_path: Path) -> None:
    recipe = recipe_with(Recipe(), ["head.sample=0.2", "head.storage=mmap", "training.seed=4"])
    loss = loss_of(recipe, 30, folder=tmp_path)
    assert loss.sampler.state.tolist() == [4, 0]
    assert loss.sampler.quota(30) == 6
    assert loss.placement.folder == tmp_path
    elsewhere = recipe_with(recipe, [f"head.folder={tmp_path / 'disk'}"])
    assert loss_of(elsewhere, 30, folder=tmp_path).placement.folder == tmp_path / "disk"
    assert loss_of(Recipe(), 30).sampler is None
    with pytest.raises(InputError, match="triplet: its classes cannot be sampled"):
        loss_of(recipe_with(recipe, ["loss.name=triplet"]), 30, folder=tmp_path)
    with pytest.raises(InputError, match=r"head.sample: input should be less than or equal to 1"):
        recipe_with(Recipe(), ["head.sample=2"])
    assert math.isclose(recipe_with(Recipe(), ["head.sample=1e-1"]).head.sample, 0.1)


def test_training_learns_with_sampled_rows() -> None:
    torch.manual_seed(0)
    centres = torch.randn(200, 16)
    head = create_loss(
        "cosface", num_classes=200, embedding_dim=8, placement=Placement(sample=0.2), scale="auto"
    )
    module = nn.Linear(16, 8)
    choice = Optimizer(lr=1e-2, loss_lr=3e-2, weight_decay=0.0)
    optimizer = build_optimizer(choice, module, head, HeadChoice(sample=0.2))

    def loss(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        y = torch.randint(200, (64,), generator=generator)
        value: Tensor = head(module(centres[y] + 0.1 * torch.randn(64, 16, generator=generator)), y)
        return value

    with torch.no_grad():
        before = float(head.eval()(module(centres), torch.arange(200)))
    head.train()
    for step in range(150):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
    with torch.no_grad():
        after = float(head.eval()(module(centres), torch.arange(200)))
    assert after < 0.2 * before
    assert head.hits.float().mean() > 0.9
