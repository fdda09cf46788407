"""Cleaning by sub-centres, against a plain loop, and on classes with wrong labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from likewise.errors import InputError
from likewise.losses import ArcFace, Placement, Shard, SubCenterArcFace, clean_subcenters
from likewise.losses import place_classes as placed

CLASSES, K, DIM = 6, 3, 5


def head_of(seed: int = 0) -> SubCenterArcFace:
    torch.manual_seed(seed)
    head = SubCenterArcFace(
        CLASSES, DIM, subcenters=K, margin=0.3, scale=20.0, label_smoothing=0.1
    ).double()
    head.weight.data = torch.randn(CLASSES * K, DIM, dtype=torch.float64)
    return head


def samples(count: int = 60, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
    return z, torch.randint(0, CLASSES - 1, (count,), generator=generator)  # the last has none


def degrees(x: Tensor, y: Tensor) -> float:
    cosine = float((x * y).sum() / (x.norm() * y.norm()))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


@pytest.mark.parametrize("limit", [20.0, 75.0, 110.0])
@pytest.mark.parametrize("block", [2**22, 1])
def test_it_equals_the_loop(limit: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likewise.losses.margins.subcenter_cleaning._BLOCK", block)
    head, (z, y) = head_of(), samples()
    found = clean_subcenters(head, z, y, max_degrees=limit)
    plain = clean_subcenters(head, z, y, max_degrees=limit, centers="dominant")
    weight = head.weight.detach().view(CLASSES, K, DIM)
    dropped = []
    for j in range(CLASSES):
        own = [i for i in range(len(y)) if int(y[i]) == j]
        nearest = {i: min(range(K), key=lambda k, i=i: degrees(z[i], weight[j, k])) for i in own}
        counts = [sum(n == k for n in nearest.values()) for k in range(K)]
        main = counts.index(max(counts))
        assert (found.counts[j].tolist(), int(found.dominant[j])) == (counts, main)
        far = [i for i in own if degrees(z[i], weight[j, main]) > limit]
        dropped += far
        total = torch.zeros(DIM, dtype=torch.float64)
        for k in range(K):
            if k == main or degrees(weight[j, k], weight[j, main]) <= limit:
                share = sum(nearest[i] == k for i in own if i not in far)
                total += share * weight[j, k] / weight[j, k].norm()
        if not own or len(far) == len(own):
            total = weight[j, main]
        expected = total / total.norm() * weight[j, main].norm()
        torch.testing.assert_close(found.head.weight[j].data, expected)
        torch.testing.assert_close(plain.head.weight[j].data, weight[j, main])
        for i in own:
            assert float(found.degrees[i]) == pytest.approx(degrees(z[i], weight[j, main]))
    assert found.drop.tolist() == sorted(dropped)
    assert found.keep.tolist() == [i for i in range(len(y)) if i not in dropped]


def test_the_new_head_continues_with_the_settings_of_the_old_one() -> None:
    head, (z, y) = head_of(), samples()
    head.set_margin_fraction(0.5)
    merged = clean_subcenters(head, z, y).head
    assert type(merged) is ArcFace
    assert (merged.margin, merged.scale, merged.margin_fraction) == (0.3, 20.0, 0.5)
    assert merged.label_smoothing == 0.1
    assert merged.weight.shape == (CLASSES, DIM)
    assert merged.weight.dtype == torch.float64
    assert merged.weight.requires_grad
    merged(z, y).backward()
    assert merged.weight.grad is not None


def test_wrong_labels_are_dropped_and_two_poses_are_merged() -> None:
    """A class of two poses 40° apart, and a tenth of samples that belong to another class."""
    generator = torch.Generator().manual_seed(0)
    poses = torch.eye(8)[:2] * 1.0
    poses[1] = torch.tensor([math.cos(0.7), math.sin(0.7), 0, 0, 0, 0, 0, 0])
    stranger = torch.eye(8)[5]
    head = SubCenterArcFace(1, 8, subcenters=3)
    head.weight.data = torch.stack([*poses, stranger])
    z = torch.cat(
        [poses[0].expand(50, 8), poses[1].expand(40, 8), stranger.expand(10, 8)]
    ) + 0.05 * torch.randn(100, 8, generator=generator)
    found = clean_subcenters(head, z, torch.zeros(100, dtype=torch.int64))
    assert found.drop.tolist() == list(range(90, 100))
    centre = found.head.weight[0].detach()
    mean = F.normalize(50 * poses[0] + 40 * poses[1], dim=0)
    torch.testing.assert_close(F.normalize(centre, dim=0), mean)


def test_arrays_and_an_empty_set() -> None:
    head, (z, y) = head_of(), samples()
    found = clean_subcenters(head, z.numpy(), np.asarray(y))
    assert torch.equal(found.drop, clean_subcenters(head, z, y).drop)
    empty = clean_subcenters(head, z[:0], y[:0])
    assert len(empty.drop) == len(empty.keep) == 0
    torch.testing.assert_close(empty.head.weight.data, head.weight.data[::K])


def test_the_random_state_and_the_old_head_are_left_alone() -> None:
    head, (z, y) = head_of(), samples()
    before, state = head.weight.detach().clone(), torch.get_rng_state()
    clean_subcenters(head, z, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(head.weight, before)


def test_wrong_use() -> None:
    head, (z, y) = head_of(), samples()
    with pytest.raises(InputError, match="head: ArcFace; must be a SubCenterArcFace"):
        clean_subcenters(ArcFace(CLASSES, DIM), z, y)
    with placed(Placement(shard=Shard(0, 2))):
        part = SubCenterArcFace(CLASSES, DIM)
    with pytest.raises(InputError, match="a part of the classes"):
        clean_subcenters(part, z, y)
    with pytest.raises(InputError, match="max_degrees: 200; must be a number from 0 to 180"):
        clean_subcenters(head, z, y, max_degrees=200)
    with pytest.raises(InputError, match="did you mean 'merged'"):
        clean_subcenters(head, z, y, centers="merge")
    with pytest.raises(InputError, match="labels: 6 in row 0"):
        clean_subcenters(head, z, torch.full((60,), 6))
