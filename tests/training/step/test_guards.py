"""Guards: a bad step changes nothing, layer and photos are named, too many steps end the run."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import likewise
from likewise.errors import InputError, LikewiseError
from likewise.losses import (
    Center,
    CrossBatchMemory,
    Placement,
    Sum,
    Triplet,
    create_loss,
    list_losses,
)
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.setup.build import loss_of, network_of
from likewise.training.step.buffers import StateCopy, preserved_buffers
from likewise.training.step.clipping import clip_gradients
from likewise.training.step.guards import (
    NotFinite,
    StepGuard,
    Stopped,
    find_nonfinite_gradient,
    find_nonfinite_output,
)
from likewise.training.trainer import Trainer
from tests.conftest import make_photos, quick_recipe


def trainer_of(
    *settings: str, processes: Processes | None = None, loss: nn.Module | None = None
) -> Trainer:
    torch.manual_seed(0)
    recipe = quick_recipe("training.ema=0.9", *settings)
    loss = loss or loss_of(recipe, 4)
    trainer = Trainer(recipe, network_of(recipe).train(), loss.train(),
                      recipe.input.preprocess(), torch.device("cpu"))  # fmt: skip
    if processes is not None:
        trainer.processes = trainer.guard.processes = processes
    trainer.rows = range(8)
    return trainer


def batch(seed: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return pixels, torch.arange(8) // 2


def everything(trainer: Trainer) -> dict[str, Tensor]:
    assert trainer.average is not None
    parts = {"network": trainer.module.state_dict(), "loss": trainer.loss.state_dict(),
             "average": trainer.average.state()}  # fmt: skip
    found = {
        f"{part}/{name}": t.clone() for part, named in parts.items() for name, t in named.items()
    }
    for number, state in enumerate(trainer.optimizer.state.values()):
        found |= {f"optimizer/{number}/{name}": t.clone() for name, t in state.items()}
    return found


def poison_forward(trainer: Trainer) -> Any:
    """Let a layer overflow on the second photo."""

    def overflow(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        bad = torch.zeros_like(output)
        bad[1, 0] = torch.inf
        return output + bad

    return trainer.module.get_submodule("fc").register_forward_hook(overflow)


def poison_loss(trainer: Trainer) -> Any:
    return trainer.loss.register_forward_hook(
        lambda *_: torch.tensor(torch.inf, requires_grad=True)
    )


def poison_gradient(trainer: Trainer) -> Any:
    kernel = trainer.module.get_parameter("body.3.weight")
    return kernel.register_hook(lambda grad: grad * torch.nan)


@pytest.mark.parametrize(
    ("poison", "told"),
    [
        (
            poison_forward,
            r"the output of the network is not finite, first in fc \(Linear\); photos",
        ),
        (
            poison_loss,
            "the loss is inf, made by CosFace from finite embeddings; photos row 0, row 1",
        ),
        (poison_gradient, "the gradient is not finite, first in body.3.weight of the network"),
    ],
)
@pytest.mark.parametrize("micro", [0, 3])
def test_a_bad_step_changes_nothing(
    poison: Callable[[Trainer], Any], told: str, micro: int, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = trainer_of(f"batch.micro={micro}")
    for seed in range(2):
        trainer.step(*batch(seed), 10)
    before, random = everything(trainer), torch.get_rng_state()
    handle = poison(trainer)
    with caplog.at_level(logging.INFO, "likewise"):
        value, hits = trainer.step(*batch(), 10)
    handle.remove()
    assert value.isnan()
    assert len(hits) == 0
    after = everything(trainer)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    assert all(p.grad is None for p in trainer.module.parameters())
    assert torch.equal(random, torch.get_rng_state())
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert re.search(told, warnings[0]), warnings[0]
    assert warnings[0].startswith("step 2: ")
    assert trainer.guard.skipped == trainer.guard.in_a_row == 1
    trainer.step(*batch(), 10)
    assert trainer.guard.in_a_row == 0


def with_loss(name: str) -> nn.Module:
    sizes = {"num_classes": 4, "embedding_dim": 32}
    if name == "curriculum":
        return Triplet(mining="curriculum")
    if name == "memory":  # a ring that this batch makes turn over
        return CrossBatchMemory(Triplet(), embedding_dim=32, memory_size=11)
    if name == "sampled":
        return create_loss("arcface", placement=Placement(sample=0.5), **sizes)
    if name == "twice":  # the same state is written two times in a step
        center = Center(**sizes)
        return Sum(create_loss("curricularface", **sizes), center, (0.5, center))
    return create_loss(name, **sizes)


@pytest.mark.parametrize("poison", [poison_loss, poison_gradient])
@pytest.mark.parametrize("name", [*list_losses(), "curriculum", "memory", "sampled", "twice"])
def test_a_bad_step_changes_no_state_of_any_loss(
    name: str, poison: Callable[[Trainer], Any]
) -> None:
    sampled = ("head.sample=0.5",) if name == "sampled" else ()
    trainer = trainer_of(*sampled, loss=with_loss(name))
    for seed in range(2):
        trainer.step(*batch(seed), 10)
    before = everything(trainer)
    handle = poison(trainer)
    assert trainer.step(*batch(2), 10)[0].isnan()
    handle.remove()
    for key, tensor in everything(trainer).items():
        assert torch.equal(tensor, before[key]), key
    trainer.step(*batch(2), 10)
    assert trainer.guard.in_a_row == 0


def test_only_the_photos_at_fault_are_named(caplog: pytest.LogCaptureFixture) -> None:
    trainer = trainer_of()
    trainer.module.eval()  # without statistics of the batch, a bad photo spoils itself alone
    poison_forward(trainer)
    with caplog.at_level(logging.WARNING, "likewise"):
        trainer.step(*batch(), 10)
    assert caplog.records[0].getMessage().endswith("; photos row 1; skipped")


def test_too_many_bad_steps_in_a_row_stop_the_run() -> None:
    trainer = trainer_of("guards.skip=2")
    handle = poison_gradient(trainer)
    trainer.step(*batch(), 10)
    trainer.step(*batch(), 10)
    handle.remove()
    trainer.step(*batch(), 10)
    poison_gradient(trainer)
    trainer.step(*batch(), 10)
    trainer.step(*batch(), 10)
    with pytest.raises(Stopped, match="3 such steps in a row.*Try a lower optimizer.lr") as stopped:
        trainer.step(*batch(), 10)
    assert "\n" not in str(stopped.value)
    assert trainer.guard.skipped == 5


def test_a_run_that_stops_keeps_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=4)
    steps = Trainer.step
    seen: dict[str, Any] = {}

    def step(self: Trainer, *args: Any) -> Any:
        if self.step_number == 3 and "before" not in seen:
            seen["before"] = {k: t.clone() for k, t in self.module.state_dict().items()}
            with torch.no_grad():
                poison_gradient(self)
        return steps(self, *args)

    monkeypatch.setattr(Trainer, "step", step)
    recipe = quick_recipe("schedule.epochs=5", "guards.skip=1")
    with pytest.raises(LikewiseError, match=r"photos person0\d/\d.png.* and 3 more; 2 such steps"):
        likewise.train(photos, tmp_path / "run", recipe)
    assert "warning: step 3: the gradient is not finite" in capsys.readouterr().err
    assert "photos: person0" in (tmp_path / "run" / "train.log").read_text()
    monkeypatch.setattr(Trainer, "step", steps)
    checkpoint = Checkpoints(tmp_path / "run" / "checkpoints", Processes()).newest()
    assert checkpoint is not None
    kept = checkpoint.shared()["network"]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in seen["before"].items())
    assert likewise.train(photos, tmp_path / "run", resume=True).finished


def test_an_epoch_that_ends_with_bad_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its network cannot be validated; the steps of the next epoch decide, and name the layer."""
    photos = make_photos(tmp_path / "photos", people=6)
    wild = ("optimizer.lr=1e30", "schedule.warmup_epochs=0", "data.val_identities=2",
            "batch.identities=2")  # fmt: skip
    with pytest.raises(
        LikewiseError, match="in a row that were not finite, and no model was saved"
    ):
        likewise.train(photos, tmp_path / "one", quick_recipe(*wild, "schedule.epochs=1"))
    with pytest.raises(LikewiseError, match="4 such steps in a row"):
        likewise.train(photos, tmp_path / "many", quick_recipe(*wild, "schedule.epochs=9"))
    assert "warning: epoch 1: not validated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fill", "told"),
    [(0.0, "8 of 8 held-out photos have zero embeddings"), (torch.inf, "is not finite")],
)
@pytest.mark.parametrize("good", [0, 1])
def test_a_network_that_has_diverged_ends_the_run_and_is_not_kept(
    fill: float, told: str, good: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its steps are finite, but its embeddings in evaluation mode are not."""
    photos = make_photos(tmp_path / "photos", people=5)
    as_it_is = Trainer.network

    def network(self: Trainer) -> nn.Module:
        module = as_it_is(self)
        if self.epoch > good:
            module.register_forward_hook(lambda _, __, out: torch.full_like(out, fill))
        return module

    monkeypatch.setattr(Trainer, "network", network)
    run = tmp_path / "run"
    recipe = quick_recipe("data.val_identities=2", "schedule.epochs=3")
    with pytest.raises(Stopped, match=rf"after epoch {good + 1} .* diverged \(.*{told}") as stopped:
        likewise.train(photos, run, recipe)
    assert stopped.value.exit_code == 1
    assert "\n" not in str(stopped.value)
    assert "Try a lower optimizer.lr" in str(stopped.value)
    assert (run / "model").exists() == bool(good)
    if good:
        assert "The model of epoch 1 is kept" in str(stopped.value)
        assert likewise.load(run / "model").about["Epoch"] == 1


def test_a_network_that_answers_zeros_is_not_kept_with_nobody_held_out_either(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is = Trainer.network

    def network(self: Trainer) -> nn.Module:
        module = as_it_is(self)
        module.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
        return module

    monkeypatch.setattr(Trainer, "network", network)
    with pytest.raises(Stopped, match="12 of 12 training photos have zero embeddings"):
        likewise.train(photos, tmp_path / "run", quick_recipe())
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("poison", [poison_forward, poison_loss, poison_gradient])
def test_a_step_that_is_bad_on_another_rank_is_skipped(
    poison: Callable[[Trainer], Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other rank has bad numbers; this one, whose numbers are finite, must not step."""
    kind = [poison_forward, poison_loss, poison_gradient].index(poison)
    others = iter([[float(place == kind) for place in range(3)]])

    def sums(own: Sequence[float]) -> list[float]:
        if len(own) < 3:  # whether every rank has a loss
            return list(own)
        return [a + b for a, b in zip(own, next(others, [0.0] * 3), strict=True)]

    processes = Processes()
    monkeypatch.setattr(processes, "sum", sums)
    trainer = trainer_of(processes=processes)
    before = everything(trainer)
    with caplog.at_level(logging.WARNING, "likewise"):
        assert trainer.step(*batch(), 10)[0].isnan()
    assert all(torch.equal(t, before[name]) for name, t in everything(trainer).items())
    trainer.step(*batch(), 10)


def test_wrong_labels_raise_an_input_error() -> None:
    guard = StepGuard(nn.Linear(1, 1), nn.Module(), 3, Processes())
    loss = create_loss("arcface", num_classes=3, embedding_dim=2)
    with pytest.raises(InputError, match="labels"):
        guard.value(lambda: loss(torch.ones(2, 2), torch.tensor([0, 9])))
    with torch.no_grad():
        loss.weight.fill_(torch.nan)
    guard.begin()
    guard.embeddings(torch.ones(2, 2))
    guard.value(lambda: loss(torch.ones(2, 2), torch.tensor([0, 1])))
    with pytest.raises(NotFinite, match="class weights"):
        guard.check()


def test_the_first_layer_that_is_not_finite() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.BatchNorm1d(2))
    images = torch.ones(4, 2)
    assert "an operation between layers" in find_nonfinite_output(module, lambda: module(images))
    with torch.no_grad():
        module[0].weight.fill_(3e38)
    before = module[3].running_mean.clone()
    assert find_nonfinite_output(module, lambda: module(images)) == "0 (Linear)"
    assert torch.equal(module[3].running_mean, before)
    with torch.no_grad():
        module[2].bias[0] = torch.nan
    assert find_nonfinite_output(module, lambda: module(images)) == "the weights 2.bias"
    module[0].weight.grad = torch.full((2, 2), torch.nan)
    assert find_nonfinite_gradient(module, nn.Module()) == "0.weight of the network"
    loss = nn.Linear(2, 2)
    loss.weight.grad = torch.full((2, 2), torch.nan).to_sparse()
    assert find_nonfinite_gradient(module, loss) == "weight of Linear"


def test_a_loss_scale_that_collapses_stops_the_run() -> None:
    trainer = trainer_of()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    trainer.precision.scaler = scaler
    before = everything(trainer)
    poison_gradient(trainer)
    trainer.step(*batch(), 10)  # 2: the scaler's own affair, no step to be told of
    trainer.step(*batch(), 10)  # 1
    assert trainer.guard.skipped == 0
    with pytest.raises(Stopped, match=r"loss scale has fallen to 0.5.*bf16"):
        trainer.step(*batch(), 10)
    for name, tensor in everything(trainer).items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(tensor, before[name]), name


def test_clipping_is_torchs_own_and_knows_sparse_rows() -> None:
    torch.manual_seed(0)
    dense = [nn.Parameter(torch.zeros(5, 3)), nn.Parameter(torch.zeros(4))]
    for p in dense:
        p.grad = torch.randn_like(p)
    dense[0].grad[1:3] = 0
    ours = [nn.Parameter(torch.zeros_like(p)) for p in dense]
    rows = torch.tensor([4, 0, 3])
    ours[0].grad = torch.sparse_coo_tensor(
        rows[None], dense[0].grad[rows], (5, 3), check_invariants=True
    )
    ours[1].grad = dense[1].grad.clone()
    expected = nn.utils.clip_grad_norm_(dense, 0.7)
    torch.testing.assert_close(clip_gradients(ours, 0.7), expected)
    torch.testing.assert_close(ours[0].grad.to_dense(), dense[0].grad)
    torch.testing.assert_close(ours[1].grad, dense[1].grad)
    assert float(clip_gradients([], 1.0)) == 0


def test_buffers() -> None:
    norm = nn.Sequential(nn.BatchNorm1d(2))
    own = norm[0].running_mean
    with preserved_buffers(norm):
        norm(torch.randn(8, 2))
    assert norm[0].running_mean is own
    assert not own.any()
    copy = StateCopy(norm, nn.Module())
    copy.save()
    norm(torch.randn(8, 2))
    assert own.any()
    copy.restore()
    assert not own.any()
    assert int(norm[0].num_batches_tracked) == 0


class Counter(nn.Module):
    """A user's loss, whose state is created late and replaced instead of updated."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("late", None)

    def forward(self, embeddings: Tensor, _: Tensor) -> Tensor:
        self.calls = self.calls + 1
        self.late = embeddings.detach().mean(dim=0)
        return embeddings.square().mean()


def test_state_that_is_replaced_is_restored() -> None:
    loss = Counter()
    copy = StateCopy(nn.Linear(1, 1), loss)
    copy.save()
    loss(torch.ones(2, 3), torch.zeros(2))
    copy.restore()
    assert (float(loss.calls), loss.late) == (0, None)
    loss(torch.ones(2, 3), torch.zeros(2))
    copy.save()
    loss(2 * torch.ones(2, 3), torch.zeros(2))
    copy.restore()
    assert float(loss.calls) == 1
    assert loss.late.tolist() == [1, 1, 1]


def test_weights_and_memories_are_not_copied_before_a_step() -> None:
    """Only small state is copied; other state keeps the rows that it overwrites."""
    sizes = {"num_classes": 1000, "embedding_dim": 8}
    head = create_loss("adaface", placement=Placement(sample=0.5), **sizes)
    memory = create_loss("prototype_memory", **sizes)
    ring = CrossBatchMemory(Triplet(mining="curriculum"), embedding_dim=8)
    copy = StateCopy(nn.Linear(8, 1000), Sum(head, memory, ring, Center(**sizes)))
    copy.save()
    assert copy.copies
    assert max(t.numel() for t in copy.copies if t is not None) <= 2
