"""A random split of labeled photos into a gallery and probes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count, check_number
from likewise.data.labels import checked_labels
from likewise.errors import InputError

__all__ = ["Enrolment", "draw_enrolment"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Enrolment:
    """The photos of the gallery and the probes; no photo is in both.

    Args:
        gallery: rows, int64 ascending.
        probes: rows, int64 ascending, including those of identities that are not enrolled.
    """

    gallery: Rows
    probes: Rows


def draw_enrolment(
    labels: ArrayLike, *, templates: int = 1, unknown: float = 0.2, seed: int = 0
) -> Enrolment:
    """Draw a gallery from labeled photos; all other photos become probes.

    A share of the identities is not enrolled, so that open-set identification can be measured.
    Identities with too few photos for both gallery and probes are chosen for this first.

    Args:
        labels: [N], numbers or names.
        templates: photos of an identity in the gallery.
        unknown: the share of identities that are not enrolled, from 0 to below 1; at 0 an
            identity with too few photos is enrolled with all of them, and has no probe.
        seed: of the random choice of identities and photos.

    Raises:
        InputError: ``templates`` or ``unknown`` is out of range; no identity with more photos
            than templates; fewer than two identities to enrol.

    Example:
        >>> from likewise.evaluation.identification.enrolment import draw_enrolment
        >>> drawn = draw_enrolment(["anna", "anna", "bob", "bob", "carl"], unknown=1 / 3)
        >>> len(drawn.gallery), 4 in drawn.probes
        (2, True)
    """
    names = checked_labels(labels, "labels")
    if names.ndim != 1:
        raise InputError(f"labels: shape {list(names.shape)}; must be [N]")
    check_count("templates", templates)
    check_number("unknown", unknown, least=0, below=1)
    _, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
    if not len(counts) or counts.max() <= templates:
        raise InputError(
            f"labels: no identity has more than {templates} photos; "
            "no photo is left as a probe: enrol fewer templates"
        )
    random = np.random.default_rng(seed)
    # Identities without a photo for a probe come first, in random order.
    strangers = np.lexsort((random.random(len(counts)), counts > templates))
    strangers = strangers[: round(unknown * len(counts))]
    enrolled = np.setdiff1d(np.arange(len(counts)), strangers)
    if len(enrolled) < 2:
        raise InputError(f"labels: {len(enrolled)} identities to enrol; two or more are needed")
    order = np.lexsort((random.random(len(codes)), codes))
    within = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = (within < templates) & np.isin(codes[order], enrolled)
    return Enrolment(np.sort(order[chosen]), np.sort(order[~chosen]))
