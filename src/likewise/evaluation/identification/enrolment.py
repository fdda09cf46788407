"""A gallery and probes drawn from labelled photos: who is enrolled, who is unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.labels import checked_labels
from likewise.errors import InputError

__all__ = ["Enrolment", "draw_enrolment"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Enrolment:
    """Which photos are enrolled, and which search for them; no photo does both.

    Args:
        gallery: rows, int64 ascending.
        probes: rows, int64 ascending; those of identities that are not enrolled among them.
    """

    gallery: Rows
    probes: Rows


def draw_enrolment(
    labels: ArrayLike, *, templates: int = 1, unknown: float = 0.2, seed: int = 0
) -> Enrolment:
    """Draw a gallery from labelled photos; all the other photos are probes.

    A share of the identities stays unknown, so that the open set can be measured; among these are
    the identities with too few photos to be both enrolled and searched for, as far as they reach.

    Args:
        labels: [N], numbers or names.
        templates: photos of an identity in the gallery.
        unknown: the share of identities that are not enrolled, 0 to 1; at 0 the identities with
            too few photos are enrolled with what they have, and have no probe.
        seed: draws who and which.

    Raises:
        InputError: fewer than one template; a share outside 0 … 1; no identity with more photos
            than templates; fewer than two identities to enrol.

    Example:
        >>> from likewise.evaluation.identification.enrolment import draw_enrolment
        >>> drawn = draw_enrolment(["anna", "anna", "bob", "bob", "carl"], unknown=1 / 3)
        >>> len(drawn.gallery), 4 in drawn.probes
        (2, True)
    """
    names = checked_labels(labels, "labels")
    if names.ndim != 1:
        raise InputError(f"labels: shape {list(names.shape)}; [N] is expected")
    if templates < 1 or not 0 <= unknown < 1:
        raise InputError(
            f"templates, unknown: {templates} and {unknown}; "
            "at least 1, and a share from 0 to below 1, are expected"
        )
    _, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
    if not len(counts) or counts.max() <= templates:
        raise InputError(
            f"labels: no identity has more than {templates} photos; "
            "none is left to search with: enrol fewer templates"
        )
    random = np.random.default_rng(seed)
    # Identities without a photo to spare come first, in random order: they cannot be probed for.
    strangers = np.lexsort((random.random(len(counts)), counts > templates))
    strangers = strangers[: round(unknown * len(counts))]
    enrolled = np.setdiff1d(np.arange(len(counts)), strangers)
    if len(enrolled) < 2:
        raise InputError(f"labels: {len(enrolled)} identities to enrol; two or more are needed")
    order = np.lexsort((random.random(len(codes)), codes))
    within = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = (within < templates) & np.isin(codes[order], enrolled)
    return Enrolment(np.sort(order[chosen]), np.sort(order[~chosen]))
