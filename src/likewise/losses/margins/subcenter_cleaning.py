"""Cleaning by sub-centres: which samples are far from the main centre of their class."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from likewise.arguments import check_number, one_of
from likewise.distances.similarity import unit_and_length
from likewise.errors import InputError
from likewise.losses.checks import check_batch, check_rows_finite
from likewise.losses.classes.placement import Placement, place_classes
from likewise.losses.head.target_logits import safe_norm
from likewise.losses.margins.arcface import ArcFace
from likewise.losses.margins.subcenter_arcface import SubCenterArcFace

__all__ = ["SubCenterCleaning", "clean_subcenters"]

Keep = Literal["merged", "dominant"]

_BLOCK = 2**22  # numbers of gathered weights in memory at one time


@dataclass(frozen=True)
class SubCenterCleaning:
    """What :func:`clean_subcenters` found, for N samples of C classes with K sub-centres each.

    Attributes:
        drop: int64 [R], sorted: the rows to leave out.
        keep: int64 [N - R], sorted: all other rows.
        degrees: [N], the angle of each sample to the dominant sub-centre of its class.
        dominant: int64 [C], which of the K sub-centres of each class is the dominant one.
        counts: int64 [C, K], how many samples of the class have each sub-centre as their nearest.
        head: ArcFace with one centre for each class, to continue training with.
    """

    drop: Tensor
    keep: Tensor
    degrees: Tensor
    dominant: Tensor
    counts: Tensor
    head: ArcFace


@torch.no_grad()
def clean_subcenters(
    head: SubCenterArcFace,
    embeddings: Any,
    labels: Any,
    *,
    max_degrees: float = 75.0,
    centers: Keep = "merged",
) -> SubCenterCleaning:
    """Find the samples that a trained sub-centre head keeps away from their class.

    The *dominant* sub-centre of a class is the nearest one for most of its samples (of equal
    numbers, the first; the first too for a class without samples). Wrong labels and unusual photos
    gather at the others. A sample is dropped if its angle to the dominant sub-centre exceeds
    ``max_degrees``. Embed the photos without augmentation, and use a head whose training error is
    low: before that, the angles say little.

    The new head has the margin, the scale and the weights of the old one, with one centre for each
    class. ``centers="dominant"`` takes the dominant one, as published. ``"merged"`` takes the mean
    direction of the sub-centres within ``max_degrees`` of the dominant one, weighted by the kept
    samples that are nearest to each: poses that were split over sub-centres come together again.
    Its optimizer begins anew.

    Source: Deng et al., Sub-center ArcFace, ECCV 2020, section 3.3.

    Args:
        head: a trained head that holds the weights of all classes.
        embeddings: [N, D], a tensor or an array.
        labels: int64 [N], the classes that the head was trained with.
        max_degrees: from 0 to 180; 75 as published, lower drops more.
        centers: ``"merged"`` or ``"dominant"``.

    Raises:
        InputError: another kind of head, one that holds a part of the classes, or arguments that
            are out of range or do not fit it.

    Example:
        >>> import torch
        >>> from likewise.losses import SubCenterArcFace, clean_subcenters
        >>> head = SubCenterArcFace(num_classes=1, embedding_dim=2, subcenters=2)
        >>> head.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> photos = torch.tensor([[1.0, 0.1], [1.0, 0.2], [-0.2, 1.0]])
        >>> found = clean_subcenters(head, photos, torch.tensor([0, 0, 0]))
        >>> found.drop.tolist(), found.dominant.tolist(), found.head.weight.tolist()
        ([2], [0], [[1.0, 0.0]])
    """
    if not isinstance(head, SubCenterArcFace):
        raise InputError(f"head: {type(head).__name__}; must be a SubCenterArcFace")
    if head.shard.processes > 1:
        raise InputError(
            "head: it holds a part of the classes; load the checkpoint in a single process first"
        )
    check_number("max_degrees", max_degrees, least=0, most=180)
    one_of("centers", centers, ("merged", "dominant"))
    embeddings = torch.as_tensor(embeddings, device=head.weight.device)
    labels = torch.as_tensor(labels, device=head.weight.device)
    check_batch("clean_subcenters", embeddings, labels, head.weight, head.num_classes)
    check_rows_finite("clean_subcenters", embeddings)

    k, classes = head.subcenters, head.num_classes
    cosines = _own_cosines(head, embeddings, labels)
    places = labels * k + cosines.argmax(1)
    counts = places.bincount(minlength=classes * k).view(classes, k)
    dominant = counts.argmax(1)
    degrees = cosines.gather(1, dominant[labels, None])[:, 0].acos().rad2deg()
    near = degrees <= max_degrees
    kept = places[near].bincount(minlength=classes * k).view(classes, k)
    merge = max_degrees if centers == "merged" else None
    rows = _merged_rows(head, dominant, kept, merge)
    drop, keep = (mask.nonzero()[:, 0] for mask in (~near, near))
    return SubCenterCleaning(drop, keep, degrees, dominant, counts, _one_center(head, rows))


def _own_cosines(head: SubCenterArcFace, embeddings: Tensor, labels: Tensor) -> Tensor:
    """Cosines [N, K] of each sample with the sub-centres of its class, within [-1, 1]."""
    k, dim = head.subcenters, head.embedding_dim
    weight = head.weight.view(-1, k, dim)
    dtype = torch.promote_types(embeddings.dtype, head.weight.dtype)
    dtype = torch.promote_types(dtype, torch.float32)  # half precision is off by degrees
    found = torch.empty(len(labels), k, dtype=dtype, device=labels.device)
    for rows in torch.arange(len(labels), device=labels.device).split(max(1, _BLOCK // (k * dim))):
        own = weight[labels[rows]].to(dtype)
        unit, _ = unit_and_length(embeddings[rows].to(dtype))
        found[rows] = (own * unit[:, None]).sum(-1) / safe_norm(own)
    return found.clamp_(-1, 1)


def _merged_rows(
    head: SubCenterArcFace, dominant: Tensor, kept: Tensor, max_degrees: float | None
) -> Tensor:
    """One row for each class [C, D], as long as its dominant one; None: the dominant one itself.

    ``kept`` [C, K] counts the kept samples that are nearest to each sub-centre.
    """
    weight = head.weight.detach().view(head.num_classes, head.subcenters, -1)
    merged = weight.new_empty(weight.shape[0], weight.shape[2])
    step = max(1, _BLOCK // weight[0].numel())
    dtype = torch.promote_types(weight.dtype, torch.float32)
    for classes in torch.arange(len(weight), device=weight.device).split(step):
        rows = weight[classes, dominant[classes]].to(dtype)
        if max_degrees is not None:
            length = safe_norm(rows)[:, None]
            main, block = rows / length, weight[classes].to(dtype)
            units = block / safe_norm(block)[..., None]
            apart = (units * main[:, None]).sum(-1).clamp(-1, 1).acos().rad2deg()
            # Rounding may put a row at an angle to itself.
            apart.scatter_(1, dominant[classes, None], 0.0)
            total = (units * (kept[classes] * (apart <= max_degrees))[..., None]).sum(1)
            empty = (total == 0).all(1, keepdim=True)  # none of its samples is kept
            rows = torch.where(empty, main, total / safe_norm(total)[:, None]) * length
        merged[classes] = rows
    return merged


def _one_center(head: SubCenterArcFace, rows: Tensor) -> ArcFace:
    """ArcFace with the settings of ``head`` and these class weights [C, D]."""
    settings = {name: getattr(head, name) for name in inspect.signature(ArcFace).parameters}
    with place_classes(Placement()), torch.random.fork_rng(devices=[]):  # its draw is not needed
        merged = ArcFace(**settings)
    merged.to(device=rows.device, dtype=rows.dtype)
    merged.weight.copy_(rows)
    merged.set_margin_fraction(head.margin_fraction)
    return merged
