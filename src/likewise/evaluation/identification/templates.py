"""Templates: several photos and videos of a person pooled into one vector (IJB)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from likewise.data.labels import checked_labels
from likewise.errors import InputError
from likewise.evaluation.inputs import checked_rows, label_codes

__all__ = ["Templates", "pool_templates"]


@dataclass(frozen=True)
class Templates:
    """Pooled templates.

    Args:
        names: [T], the template of each row, sorted.
        vectors: float32 [T, D], of unit length.
        media: int64 [T], how many media each is made of.
    """

    names: NDArray[np.generic]
    vectors: NDArray[np.float32]
    media: NDArray[np.int64]


def pool_templates(
    features: ArrayLike,
    templates: ArrayLike,
    media: ArrayLike,
    *,
    flipped: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Templates:
    """Pool the features of photos and video frames into templates, as IJB-B and IJB-C define.

    A feature is summed with that of the mirrored photo, and weighted by the face detector's
    score. Frames of one medium (a video) are averaged, so that a long video counts as one photo;
    media are summed, and the sum is normalized to unit length.

    Source: Whitelam et al., IARPA Janus Benchmark-B, CVPR workshops 2017; Maze et al., IARPA
    Janus Benchmark-C, 2018; the weights are those of ArcFace's evaluation.

    Args:
        features: [N, D], not normalized: the length of a feature is part of its weight.
        templates: [N], the template of each, numbers or names. A photo in two templates is
            listed twice.
        media: [N], the medium of each; needs to be unique only within a template.
        flipped: [N, D], the features of the mirrored photos; left out if None.
        weights: [N], at least 0, such as the detector's score; 1 if None.

    Raises:
        InputError: shapes that do not match, a value that is not finite, a weight below 0, or
            a template whose sum is zero; names it.

    Example:
        >>> from likewise.evaluation.identification.templates import pool_templates
        >>> pooled = pool_templates([[2, 0], [4, 0], [0, 4]], [7, 7, 7], [1, 1, 2])
        >>> [round(float(x), 4) for x in pooled.vectors[0]], pooled.media.tolist()
        ([0.6, 0.8], [2])
    """
    rows = checked_rows(features, "features")
    count = len(rows)
    (which,) = label_codes(("templates", templates, count))
    (medium,) = label_codes(("media", media, count))
    weight = _weights(weights, count)
    names = np.unique(checked_labels(templates, "templates"))
    # (template, medium) as one number, to count the frames of each medium.
    _, group, frames = np.unique(
        which * (int(medium.max()) + 1) + medium, return_inverse=True, return_counts=True
    )
    share = (weight / frames[group]).astype(np.float32)
    # Sparse: one row for each template, one entry for each photo in it.
    pooling = csr_array((share, (which, np.arange(count))), shape=(len(names), count))
    sums = pooling @ rows
    if flipped is not None:
        mirrored = checked_rows(flipped, "flipped")
        if mirrored.shape != rows.shape:
            raise InputError(
                f"flipped: shape {list(mirrored.shape)}, features have {list(rows.shape)}"
            )
        sums += pooling @ mirrored
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    if not lengths.all():
        raise InputError(
            f"templates: the sum of template {names[int(np.argmin(lengths))]} is zero; "
            "it has no direction"
        )
    first = np.unique(group, return_index=True)[1]
    return Templates(
        names=names,
        vectors=(sums / lengths).astype(np.float32, copy=False),
        media=np.bincount(which[first], minlength=len(names)).astype(np.int64),
    )


def _weights(weights: ArrayLike | None, count: int) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(count)
    values = np.asarray(weights, np.float64)
    if values.shape != (count,):
        raise InputError(f"weights: shape {list(values.shape)} for {count} features")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise InputError(f"weights: entry {int(wrong[0])} is {values[wrong[0]]}; must be 0 or more")
    return values
