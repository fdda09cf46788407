"""Smooth-AP: near to the average precision, and the same in blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from likewise.losses import SmoothAP, SoftTriple
from tests.losses.cases import batch


def test_a_small_temperature_gives_the_average_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(30, 5, generator=generator, dtype=torch.float64)
    y = torch.arange(30) % 6
    unit = z / z.norm(dim=1, keepdim=True)
    s = (unit @ unit.T).numpy()
    found = []
    for q in range(30):
        others = np.arange(30) != q
        found.append(average_precision_score((y == y[q]).numpy()[others], s[q][others]))
    value = SmoothAP(temperature=1e-6)(z, y)
    assert float(value) == pytest.approx(1 - np.mean(found), abs=1e-9)


def test_a_row_is_the_loss_of_a_query() -> None:
    z, y = batch()  # the last sample is alone in its class
    rows = SmoothAP(temperature=0.1, reduction="none")(z, y)
    counted = sum(int((y == label).sum()) > 1 for label in y)
    for query in range(11):
        others = [j for j in range(11) if j != query]
        order = [query, *others]
        alone = SmoothAP(temperature=0.1)(z[order], y[order], anchors=1)
        torch.testing.assert_close(
            rows[query], alone * 11 / counted if (y == y[query]).sum() > 1 else 0 * alone
        )
    assert rows[-1] == 0


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    z, y = batch(size=24)
    loss = SmoothAP(temperature=0.1)

    def both() -> list[torch.Tensor]:
        value = loss(z, y)
        return [value.detach(), *torch.autograd.grad(value, z)]

    whole = both()
    monkeypatch.setattr("likewise.distances.blocks.BLOCK_BYTES", 3 * 4 * 24 * 8)
    torch.testing.assert_close(both(), whole, rtol=1e-12, atol=1e-12)


def test_memory_does_not_grow_with_the_pairs() -> None:
    """What is kept for the backward pass stays within a few B×B matrices, not pairs × B."""
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    size = 256
    z = torch.randn(size, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        SmoothAP()(z, torch.arange(size) // 32)
    assert sum(saved.values()) <= 10 * size * size * 4


def test_soft_triple_warms_its_margin_up() -> None:
    z, y = batch()
    loss = SoftTriple(num_classes=5, embedding_dim=4, margin=0.5).double()
    full = loss(z, y)
    loss.set_margin_fraction(0)
    without = loss(z, y)
    assert without < full
    loss.margin, loss.margin_fraction = 0.0, 1.0
    assert loss(z, y) == without


def test_a_reference_set_is_ranked_for_each_query() -> None:
    generator = torch.Generator().manual_seed(1)
    z, r = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (5, 12))
    y, of = torch.arange(5) % 3, torch.arange(12) % 3
    s = torch.nn.functional.normalize(z) @ torch.nn.functional.normalize(r).T
    found = [average_precision_score(of == y[q], s[q]) for q in range(5)]
    for query_counts in (False, True):  # the query is not in the reference set
        loss = SmoothAP(temperature=1e-6, query_counts=query_counts)
        value = loss(z, y, reference=r, reference_labels=of)
        assert float(value) == pytest.approx(1 - np.mean(found), abs=1e-9)


def test_scores_of_soft_triple_by_plain_loops() -> None:
    z, y = batch()
    loss = SoftTriple(num_classes=5, embedding_dim=4, centers=3, margin=0).double()
    with torch.no_grad():
        cosines, logits = loss.cosines(z), loss.logits(z)
    unit = torch.nn.functional.normalize
    for i, row in enumerate(unit(z.detach())):
        for j, group in enumerate(unit(loss.proxies.detach()).view(5, 3, 4)):
            s = [float(row @ w) for w in group]
            shares = [np.exp(c / 0.1) for c in s]
            soft = sum(a * b for a, b in zip(shares, s, strict=True)) / sum(shares)
            assert float(cosines[i, j]) == pytest.approx(max(s))
            assert float(logits[i, j]) == pytest.approx(20 * soft)
    plain = torch.nn.functional.cross_entropy(logits, y)
    loss.regularization = 0.0
    torch.testing.assert_close(loss(z, y).detach(), plain)
