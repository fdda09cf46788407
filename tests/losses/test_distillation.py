"""Distillation by plain loops over photos, pairs and triples; its gradient by differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from likewise.errors import InputError, LikewiseError
from likewise.losses import Distillation
from likewise.losses import distillation as module
from tests.losses.margins.reference import cosine, dot, length


def batch(rows: int = 6, student: int = 3, teacher: int = 5, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(rows, width, generator=generator, dtype=torch.float64)
        for width in (student, teacher)
    )


def huber(x: float) -> float:
    return 0.5 * x * x if abs(x) <= 1 else abs(x) - 0.5


def by_photo(student: Tensor, teacher: Tensor) -> float:
    return sum(1 - float(cosine(s, t)) for s, t in zip(student, teacher, strict=True)) / len(
        student
    )


def by_number(student: Tensor, teacher: Tensor) -> float:
    squares = [
        (float(a) - float(b)) ** 2
        for a, b in zip(student.flatten(), teacher.flatten(), strict=True)
    ]
    return sum(squares) / len(squares)


def by_relation(student: Tensor, teacher: Tensor) -> float:
    n = len(student)
    spaces = [[row / length(row) for row in x] for x in (student, teacher)]
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    distances = []
    for x in spaces:
        plain = {(i, j): float(length(x[i] - x[j])) for i, j in pairs}
        mean = sum(plain.values()) / len(plain)
        distances.append({pair: d / mean for pair, d in plain.items()})
    far = sum(huber(distances[0][p] - distances[1][p]) for p in pairs) / len(pairs)
    angles = [
        huber(float(cosine(s[i] - s[j], s[k] - s[j]) - cosine(t[i] - t[j], t[k] - t[j])))
        for s, t in [spaces]
        for i, j in pairs
        for k in range(n)
        if k not in (i, j)
    ]
    return far + 2 * sum(angles) / len(angles)


def by_similarity(student: Tensor, teacher: Tensor, tau: float = 0.1) -> float:
    total = 0.0
    for i in range(len(student)):
        others = [j for j in range(len(student)) if j != i]
        p, q = (
            [math.exp(float(cosine(x[i], x[j])) / tau) for j in others] for x in (teacher, student)
        )
        total += sum(
            a / sum(p) * math.log((a / sum(p)) / (b / sum(q))) for a, b in zip(p, q, strict=True)
        )
    return total / len(student)


LOOPS = {"cosine": by_photo, "l2": by_number, "relational": by_relation,
         "similarity": by_similarity}  # fmt: skip


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("block", [2**23, 40])
def test_value_by_plain_loops(kind: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)  # angles at one corner at a time
    for seed in range(2):
        student, teacher = batch(teacher=3 if kind in ("cosine", "l2") else 5, seed=seed)
        loss = Distillation(kind, student_dim=3, teacher_dim=teacher.shape[1]).double()
        assert float(loss(student, teacher)) == pytest.approx(
            LOOPS[kind](student, teacher), rel=1e-10
        )


def by_row(kind: str, student: Tensor, teacher: Tensor, weights: Tensor) -> float:
    """The weighted mean: of one photo at a time, from the whole loops with all others removed."""
    if kind in ("cosine", "l2"):
        pairs = zip(student, teacher, strict=True)
        rows = [LOOPS[kind](s[None], t[None]) for s, t in pairs]
        return sum(w * x for w, x in zip(weights.tolist(), rows, strict=True)) / len(rows)
    n = len(student)
    spaces = [[row / length(row) for row in x] for x in (student, teacher)]
    if kind == "similarity":
        total = 0.0
        for i in range(n):
            others = [j for j in range(n) if j != i]
            p, q = (
                torch.stack([(cosine(x[i], x[j]) / 0.1).exp() for j in others])
                for x in (teacher, student)
            )
            p, q = p / p.sum(), q / q.sum()
            total += float(weights[i] * (p * (p / q).log()).sum())
        return total / n
    means = [
        sum(float(length(x[i] - x[j])) for i in range(n) for j in range(n) if i != j)
        / (n * (n - 1))
        for x in spaces
    ]
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            far = [float(length(x[i] - x[j])) / mean for x, mean in zip(spaces, means, strict=True)]
            total += float(weights[i]) * huber(far[0] - far[1]) / (n * (n - 1))
            for k in range(n):
                if k in (i, j):
                    continue
                turned = [float(cosine(x[j] - x[i], x[k] - x[i])) for x in spaces]
                share = 2 / (n * (n - 1) * (n - 2))
                total += float(weights[i]) * huber(turned[0] - turned[1]) * share
    return total


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("block", [2**23, 40])
def test_weights_and_rows(kind: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    student, teacher = batch(teacher=3 if kind in ("cosine", "l2") else 5)
    student.requires_grad_()
    weights = torch.linspace(0, 2, len(student), dtype=torch.float64)
    loss = Distillation(kind, student_dim=3, teacher_dim=teacher.shape[1]).double()
    mean = loss(student, teacher, weights=weights)
    expected = by_row(kind, student.detach(), teacher, weights)
    assert float(mean.detach()) == pytest.approx(expected, rel=1e-10)
    (slope,) = torch.autograd.grad(mean, student)
    for reduction in ("none", "sum"):
        loss.reduction = reduction  # type: ignore[assignment]  # one of them
        value = loss(student, teacher, weights=weights)
        average = value.sum() / len(student)
        torch.testing.assert_close(average, mean)
        torch.testing.assert_close(torch.autograd.grad(average, student)[0], slope)
        assert value.ndim == (reduction == "none")
    with pytest.raises(InputError, match=r"Distillation: weights: shape \(2,\); must be \[6\]"):
        loss(student, teacher, weights=weights[:2])


@pytest.mark.parametrize("kind", ["cosine", "l2"])
def test_the_projection_stands_before_the_comparison(kind: str) -> None:
    student, teacher = batch()
    loss = Distillation(kind, student_dim=3, teacher_dim=5).double()
    assert loss.projection is not None
    projected = torch.stack([
        torch.stack([dot(row, weights) for weights in loss.projection.weight]) for row in student
    ])  # fmt: skip
    value = loss(student, teacher).detach()
    assert float(value) == pytest.approx(LOOPS[kind](projected.detach(), teacher))
    assert Distillation(kind, student_dim=4, teacher_dim=4).projection is None
    assert Distillation("relational", student_dim=4, teacher_dim=5).projection is None


@pytest.mark.parametrize("kind", LOOPS)
def test_finite_differences_and_a_teacher_without_gradient(kind: str) -> None:
    student, teacher = (x.requires_grad_() for x in batch())
    loss = Distillation(kind, student_dim=3, teacher_dim=5).double()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), student)
    loss(student, teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize("kind", LOOPS)
def test_a_student_like_the_teacher_has_nothing_to_learn(kind: str) -> None:
    student, _ = batch()
    loss = Distillation(kind, student_dim=3, teacher_dim=3).double()
    assert float(loss(student, student)) == pytest.approx(0, abs=1e-12)
    if kind not in ("cosine", "l2"):  # a turned space has the same relations
        turn, _ = torch.linalg.qr(batch(3, seed=4)[0])
        assert float(loss(student @ turn, student)) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("rows", [0, 1, 2, 4])
def test_small_batches_and_photos_that_are_the_same(kind: str, rows: int) -> None:
    student, teacher = batch(rows)
    if rows == 4:
        student[1], teacher[2] = student[0], teacher[3]
    student.requires_grad_()
    loss = Distillation(kind, student_dim=3, teacher_dim=5).double()
    value = loss(student, teacher)
    value.backward()
    assert value.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_float32_under_autocast() -> None:
    student, teacher = (x.bfloat16() for x in batch())
    for kind in LOOPS:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = Distillation(kind, student_dim=3, teacher_dim=5)(student, teacher)
        assert value.dtype == torch.float32


def test_wrong_use() -> None:
    with pytest.raises(InputError, match="kind: unknown value 'cosin'; did you mean 'cosine'"):
        Distillation("cosin", student_dim=3, teacher_dim=5)
    with pytest.raises(InputError, match="teacher_dim: 0"):
        Distillation("cosine", student_dim=3, teacher_dim=0)
    with pytest.raises(InputError, match="temperature: 0"):
        Distillation("similarity", student_dim=3, teacher_dim=5, temperature=0)
    loss = Distillation("cosine", student_dim=3, teacher_dim=5)
    with pytest.raises(InputError, match=r"teacher: shape \[4, 4\]; must be \[4, 5\]"):
        loss(torch.randn(4, 3), torch.randn(4, 4))
    with pytest.raises(LikewiseError, match=r"Distillation \(cosine\): the loss is nan"):
        loss(torch.full((4, 3), math.nan), torch.randn(4, 5))
