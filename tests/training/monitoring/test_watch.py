"""The warnings about a run: each in a case made for it, once, and none in a good run."""

from __future__ import annotations

import logging

import pytest
import torch

from likewise.losses import Placement, Weighted, create_loss
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.watch import COUNTS, Watch

CPU = torch.device("cpu")


def watch(classes: int = 10, epochs: int = 2, processes: Processes | None = None) -> Watch:
    names = [f"person{n}" for n in range(classes)]
    return Watch(names, epochs, 1.0, processes or Processes(), CPU)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "likewise")
    torch.manual_seed(0)


def test_a_run_that_learns_gets_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    one = watch()
    labels = torch.arange(40) % 10
    for epoch in range(1, 6):
        one.step(torch.randn(40, 8), labels, torch.rand(40) < 0.8)
        numbers = one.end_epoch(epoch)
    assert told(caplog) == []
    assert numbers["train/dead_classes"] == 0
    assert abs(numbers["train/mean_cosine"]) < 0.2


def test_dead_classes(caplog: pytest.LogCaptureFixture) -> None:
    one = watch()
    labels = torch.arange(40) % 10
    counts = []
    for epoch in range(1, 6):
        one.step(torch.randn(40, 8), labels, labels != 7)
        counts.append(one.end_epoch(epoch).get("train/dead_classes", 0.0))
    assert counts == [0, 0, 1, 1, 1]  # the warm-up does not count
    (line,) = told(caplog)
    assert line.startswith("1 of 10 classes are dead, such as person")
    assert "such as person7" in line
    one.step(torch.randn(40, 8), labels, torch.ones(40, dtype=torch.bool))
    assert one.end_epoch(6)["train/dead_classes"] == 0


@pytest.mark.parametrize(("loss", "named"), [("cosface", True), ("normalized_softmax", False)])
def test_a_warning_names_settings_that_the_loss_has(
    loss: str, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    one = Watch(["a", "b"], 1, 0.0, Processes(), CPU, loss)
    one.step(torch.randn(4, 8), torch.arange(4) % 2, torch.tensor([True, False] * 2))
    one.end_epoch(1)
    line = told(caplog)[-1]
    assert line.startswith("1 of 2 classes are dead")
    assert ("Try a smaller loss.margin, a higher optimizer.loss_lr" in line) == named


def test_people_never_sampled(caplog: pytest.LogCaptureFixture) -> None:
    one = watch()
    for epoch in range(1, 5):
        labels = torch.arange(8)
        one.step(torch.randn(8, 8), labels, torch.ones(8, dtype=torch.bool))
        one.end_epoch(epoch)
    (line,) = told(caplog)
    assert line.startswith("2 of 10 identities were in no batch of 2 epochs, such as person8")


def test_one_epoch_is_singular(caplog: pytest.LogCaptureFixture) -> None:
    one = watch(2, epochs=1)
    one.step(torch.randn(2, 8), torch.tensor([0, 0]), torch.ones(2, dtype=torch.bool))
    one.end_epoch(1)
    assert "1 of 2 identities were in no batch of 1 epoch, such as person1" in caplog.text


@pytest.mark.parametrize("with_hits", [True, False])
def test_nothing_learned(with_hits: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Recognition by chance; the loss may have classes to hit, or only compare embeddings."""
    one = watch(epochs=50)
    for epoch in range(1, 5):
        labels = torch.randint(10, (400,))
        hits = torch.arange(400) % 10 == 0 if with_hits else None
        one.step(torch.randn(400, 8), labels, hits)
        one.end_epoch(epoch)
        assert len(told(caplog)) == (epoch > 1)
    assert told(caplog)[0].startswith("nothing is learned: ")
    assert "margin" not in told(caplog)[0]  # softmax, the loss of this watch, has none
    assert "optimizer.lr" in told(caplog)[0]


@pytest.mark.parametrize(
    ("name", "sample"), [("cosface", 0.1), ("subcenter_arcface", 0.3), ("prototype_memory", None)]
)
def test_chance_depends_on_the_classes_that_took_part(
    name: str, sample: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """On noise nothing is learned, though the nearest of a few classes is often the right one."""
    loss = create_loss(
        name, num_classes=2000, embedding_dim=16, placement=Placement(sample=sample)
    ).train()
    one = watch(classes=2000, epochs=50)
    for epoch in (1, 2):
        for _ in range(20):
            labels = torch.randint(2000, (64,)).repeat_interleave(2)
            embeddings = torch.randn(128, 16)
            loss(embeddings, labels)
            one.step(embeddings, labels, loss.hits, loss.compared)
        one.end_epoch(epoch)
    (line,) = told(caplog)
    assert line.startswith("nothing is learned: ")


def test_a_weighted_loss_knows_how_many_classes_took_part() -> None:
    sampled = create_loss(
        "0.1*triplet + 0.5*cosface",
        num_classes=50,
        embedding_dim=8,
        placement=Placement(sample=0.4),
    )
    sampled(torch.randn(8, 8), torch.arange(8) // 2)
    assert sampled.compared == 20
    sampled.eval()(torch.randn(8, 8), torch.arange(8) // 2)
    assert sampled.compared == 50
    assert Weighted(create_loss("triplet", num_classes=5, embedding_dim=8), 2.0).compared is None


def test_embeddings_that_find_their_own_have_learned(caplog: pytest.LogCaptureFixture) -> None:
    one = watch(epochs=50)
    centres = torch.eye(10)
    for epoch in range(1, 4):
        labels = torch.randint(10, (300,))
        one.step(centres[labels] + 0.1 * torch.randn(300, 10), labels, None)
        one.end_epoch(epoch)
    assert told(caplog) == []


def test_batches_without_a_pair(caplog: pytest.LogCaptureFixture) -> None:
    labels, embeddings = torch.arange(8), torch.randn(8, 8)
    for share, lines in ((0.1, 0), (0.3, 1)):
        one = watch(epochs=50)
        for number in range(100):
            one.step(embeddings, labels, None, paired=torch.tensor(number >= 100 * share))
        assert one.end_epoch(1)["train/batches_without_pair"] == 100 * share
        assert len(told(caplog)) == lines
    assert told(caplog)[0].startswith("30 of 100 batches held no two photos of one identity")
    one.step(embeddings, labels, labels == 0)
    assert "train/batches_without_pair" not in one.end_epoch(2)


def test_collapsed_embeddings(caplog: pytest.LogCaptureFixture) -> None:
    one = watch(epochs=50)
    for epoch in range(1, 4):
        embeddings = torch.ones(40, 8) + 1e-3 * torch.randn(40, 8)
        one.step(embeddings, torch.arange(40) % 10, torch.ones(40, dtype=torch.bool))
        assert one.end_epoch(epoch)["train/mean_cosine"] == pytest.approx(1, abs=1e-4)
    (line,) = told(caplog)
    assert "the network has collapsed" in line


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    one = watch()
    embeddings = torch.randn(30, 5) + 0.5
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    one.step(embeddings, torch.arange(30) % 10, None)
    assert one.end_epoch(1)["train/mean_cosine"] == pytest.approx(float((unit @ unit.T).mean()))


def test_two_processes_warn_as_one_does_and_a_checkpoint_carries_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, embeddings = torch.arange(40) % 10, torch.randn(40, 8)
    hits = labels != 3
    alone = watch(epochs=50)
    alone.step(embeddings, labels, hits)

    halves: list[Watch] = []

    def total(values: torch.Tensor) -> torch.Tensor:
        name = next(n for n in COUNTS if torch.equal(values, getattr(halves[0], n)))
        return getattr(halves[0], name) + getattr(halves[1], name)

    two, rank_one = Processes(), Processes()
    two.count, rank_one.rank = 2, 1
    monkeypatch.setattr(two, "sum_tensor", total)
    halves += [watch(epochs=50, processes=two) for _ in range(2)]
    halves[0].step(embeddings[:24], labels[:24], hits[:24])
    halves[1].step(embeddings[24:], labels[24:], hits[24:])
    state = halves[0].state()
    assert torch.equal(state["seen"], alone.seen)
    assert torch.equal(state["hit"], alone.hit)

    first, second = watch(epochs=50), watch(epochs=50, processes=rank_one)
    first.restore(state)
    second.restore(state)
    assert torch.equal(first.seen + second.seen, alone.seen)
    assert first.has_hits
