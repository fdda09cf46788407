"""Classes shared out over 1, 2 and 4 gloo processes: the same losses, hits, gradients and steps."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError
from likewise.losses import Gathered, Placement, Shard, class_rows, create_loss
from tests.losses.batches import SOFTMAX_FAMILY

# Neither classes nor rows are divisible: with 4 processes 23 classes are 6, 6, 6 and 5.
CLASSES, DIM, BATCH, STEPS = 23, 5, 21, 3
CASES: dict[str, dict[str, Any]] = {name: {} for name in SOFTMAX_FAMILY} | {
    "cosface in chunks": {"memory_budget": 8 * 6 * 4},  # 4 rows with 6 classes, 1 with 23
    "sphereface2 in chunks": {"memory_budget": 8 * 6 * 4},
    "subcenter_arcface in chunks": {"memory_budget": 8 * 18 * 4},
    "arcface detached": {"gradient": "detached"},
    "elastic_arcface plus": {"plus": True, "deviation": 0.2},
    "softmax + 0.003*center": {},
    "arcface + 0.1*supcon": {"scale": 16.0},
    "arcface weighted": {"label_smoothing": 0.2},
    "arcface weighted rows": {"label_smoothing": 0.2, "reduction": "none"},
    "curricularface weighted rows in chunks": {"reduction": "none", "memory_budget": 8 * 6 * 4},
    "magface weighted rows": {"reduction": "none"},
    "subcenter_arcface weighted": {"reduction": "sum"},
    "softmax weighted rows": {"label_smoothing": 0.2, "reduction": "none"},
    "uniface weighted + 0.1*supcon": {"reduction": "none"},
}
SAMPLED = ("arcface", "subcenter_arcface", "uniface")
WEIGHTED = ("arcface weighted", "arcface weighted rows")  # sampled too


def share(rank: int, world: int) -> slice:
    return slice(BATCH * rank // world, BATCH * (rank + 1) // world)


def made(name: str, params: dict[str, Any], **placement: Any) -> nn.Module:
    torch.manual_seed(0)
    bare = re.sub(" (weighted|rows|in chunks|detached|plus)", "", name)
    sizes = {"num_classes": CLASSES, "embedding_dim": DIM}
    return create_loss(bare, **sizes, placement=Placement(**placement), **params).double()


def train(name: str, params: dict[str, Any], rank: int, world: int, **more: Any) -> dict[str, Any]:
    loss = made(name, params, shard=Shard(rank, world), **more)
    split = {f"loss.{key}": rows for key, rows in class_rows(loss).items()}
    model, gathered = nn.Linear(6, DIM).double(), Gathered(loss)
    model.weight.data *= 10
    whole = nn.ModuleDict({"model": model, "loss": loss})
    found: dict[str, Any] = {}
    for step in range(STEPS):
        x, y = torch.randn(BATCH, 6, dtype=torch.float64), torch.randint(0, CLASSES, (BATCH,))
        mine = share(rank, world)
        whole.zero_grad()
        weights = torch.linspace(0, 1, BATCH)[mine] if "weighted" in name else None
        value = gathered(model(x[mine]), y[mine], weights=weights)
        (2 * value * torch.linspace(1, 2, value.numel())).sum().backward()
        found[f"{step} loss"], found[f"{step} hits"] = value.detach(), loss.hits
        if more.get("sample"):
            found[f"{step} chosen"] = chosen_rows(loss)
        for key, p in whole.named_parameters():
            if p.grad is None:
                continue
            grad = p.grad.to_dense() if p.grad.is_sparse else p.grad
            if world > 1 and key not in split:  # averaged, as DistributedDataParallel does
                dist.all_reduce(grad)
                grad /= world
            found[f"{step} {key}"] = grad.clone()
            p.data -= 0.1 * grad
    return found | whole.state_dict() | {"split": list(split)}


def chosen_rows(loss: nn.Module) -> Tensor:
    """The weight rows that took part, counted over all processes."""
    rows: Tensor = loss.weight.grad.coalesce().indices()[0]
    return rows + class_rows(loss)["weight"][0]


def over_some(name: str, chosen: Tensor) -> dict[str, Tensor]:
    """The first step in one process, with the chosen weight rows and no others."""
    whole = made(name, {})
    k = whole.subcenters
    classes = chosen.view(-1, k)[:, 0] // k
    model = nn.Linear(6, DIM).double()
    model.weight.data *= 10
    x, y = torch.randn(BATCH, 6, dtype=torch.float64), torch.randint(0, CLASSES, (BATCH,))
    some = create_loss(name, num_classes=len(classes), embedding_dim=DIM).double()
    some.load_state_dict(whole.state_dict() | {"weight": whole.weight[chosen]})
    value = some(model(x), torch.searchsorted(classes, y))
    (2 * value).backward()
    rows = torch.zeros_like(whole.weight).index_put((chosen,), some.weight.grad)
    return {
        "0 loss": value.detach(),
        "0 hits": some.hits,
        "0 model.weight": model.weight.grad,
        "0 loss.weight": rows,
    }


def broken(rank: int, world: int) -> list[str]:
    """What every process says when the weights of one of them, or a label, are wrong."""
    said = []
    for nan, label in ((True, 0), (False, CLASSES)):
        loss = made("curricularface", {}, shard=Shard(rank, world))
        if nan and rank == world - 1:
            loss.weight.data[0] = torch.nan
        try:
            loss(torch.ones(4, DIM, dtype=torch.float64), torch.tensor([0, 1, 2, label]))
        except LikewiseError as error:
            said.append(str(error))
    return said


def work(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    meet = f"file://{folder}/meet-{world}"
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=world)
    results: dict[str, Any] = {name: train(name, CASES[name], rank, world) for name in CASES}
    for name in SAMPLED:
        results[f"{name} sampled"] = train(name, {}, rank, world, sample=1.0)
        results[f"{name} few"] = train(name, {}, rank, world, sample=0.8, seed=3)
    for name in WEIGHTED:
        results[f"{name} sampled"] = train(name, CASES[name], rank, world, sample=1.0)
    results["broken"] = broken(rank, world)
    torch.save(results, Path(folder) / f"{world}-{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, 4])
def test_processes_together_equal_one(world: int, tmp_path: Path) -> None:
    server = multiprocessing.get_context("forkserver")  # imports torch once for all processes
    server.set_forkserver_preload(["torch", "torch.distributed", __name__])
    processes = [
        server.Process(target=work, args=(rank, world, str(tmp_path))) for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    together = [torch.load(tmp_path / f"{world}-{rank}.pt") for rank in range(world)]
    for name, params in CASES.items():
        check_equal(name, train(name, params, 0, 1), [each[name] for each in together])
    for name in (*SAMPLED, *WEIGHTED):
        got = [each[f"{name} sampled"] for each in together]
        alone = train(name, CASES[name], 0, 1)
        alone |= {key: got[0][key] for key in got[0] if "sampler" in key}
        for each in (alone, *got):
            for step in range(STEPS):
                each.pop(f"{step} chosen", None)
        check_equal(name, alone, got)
        if name in WEIGHTED:
            continue
        few = [each[f"{name} few"] for each in together]
        chosen = torch.cat([each["0 chosen"] for each in few])
        assert len(chosen) < sum(len(each["0 loss.weight"]) for each in few)
        expected = over_some(name, chosen)
        got = [{key: each[key] for key in (*expected, "split")} for each in few]
        check_equal(f"{name} few", expected | {"split": []}, got)
    for said in (each["broken"] for each in together):
        assert said[0].startswith("CurricularFace: the loss is nan")
        assert said[1].startswith(f"CurricularFace: labels: {CLASSES} in row 3")


def check_equal(name: str, alone: dict[str, Any], together: list[dict[str, Any]]) -> None:
    split = together[0]["split"]
    assert alone.keys() == together[0].keys(), name
    for key, expected in alone.items():
        if key == "split":
            continue
        pieces = [each[key] for each in together]
        if key.rpartition(" ")[2] in split:
            got = torch.cat(pieces)
        else:
            got = pieces[0]
            assert all(torch.equal(piece, got) for piece in pieces), (name, key)
        if expected.dtype == torch.bool:
            assert torch.equal(got, expected), (name, key)
        else:
            torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12, msg=f"{name}: {key}")


@pytest.mark.parametrize("classes", [1, 2, 7, 100, 101])
@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_spans_cover_all_classes_evenly(classes: int, processes: int) -> None:
    shards = [Shard(rank, processes) for rank in range(processes)]
    if processes > classes:
        with pytest.raises(InputError, match=f"processes: {processes}; {classes} classes"):
            shards[0].span(classes)
        return
    spans = [shard.span(classes) for shard in shards]
    assert [c for span in spans for c in range(classes)[span]] == list(range(classes))
    sizes = [span.stop - span.start for span in spans]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("name", ["arcface", "subcenter_arcface", "lsoftmax", "softmax"])
def test_first_weights_do_not_depend_on_the_processes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of 16 rows, so that shares begin and end inside of them.
    monkeypatch.setattr("likewise.losses.classes.class_weights._BLOCK_NUMBERS", 1)
    sizes = {"num_classes": 50, "embedding_dim": 3}

    def weights(rank: int, processes: int) -> Tensor:
        torch.manual_seed(5)
        place = Placement(shard=Shard(rank, processes))
        weight: Tensor = create_loss(name, **sizes, placement=place).weight.detach()
        return weight

    alone = weights(0, 1)
    assert alone.std() > 0
    for processes in (2, 3, 7):
        together = torch.cat([weights(rank, processes) for rank in range(processes)])
        assert torch.equal(together, alone)


def test_rows_of_a_sum_are_named() -> None:
    place = Placement(shard=Shard(1, 2))
    sizes = {"num_classes": 5, "embedding_dim": 3}
    loss = create_loss("0.5*subcenter_arcface + softmax + center", **sizes, placement=place)
    rows = class_rows(loss)
    assert rows == {
        "terms.0.loss.weight": (9, 15),
        "terms.1.weight": (3, 5),
        "terms.1.bias": (3, 5),
    }
    state = loss.state_dict()
    assert {name: len(state[name]) for name in rows} == dict(zip(rows, (6, 2, 2), strict=True))
    assert len(state["terms.2.centers"]) == 5


def test_ranks_are_checked() -> None:
    with pytest.raises(InputError, match="rank: 2; must be from 0 to 1"):
        Shard(2, 2)
