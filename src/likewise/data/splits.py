"""Splits in which no identity stands on both sides."""

from __future__ import annotations

import numpy as np

from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["hold_out"]


def hold_out(manifest: Manifest, share: str | int, seed: int) -> tuple[Manifest, Manifest]:
    """Split into (train, held out) with disjoint identities, drawn by ``seed``.

    A recogniser is judged on people it has never seen; photos of one person on both sides would
    make it look better than it is. Identities with a single photo stay in training, where they
    serve as negatives: held out, they could form no genuine pair.

    Args:
        manifest: the photos.
        share: the identities to hold out: a number (``20``) or a percentage (``"10%"``) of those
            with two photos or more; at least 2 are held out, and at least 2 are left.
        seed: the same seed draws the same identities.

    Raises:
        InputError: the share cannot be read, or there are too few identities for it.
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    eligible = np.flatnonzero(counts >= 2)
    wanted = _count(share, len(eligible))
    if wanted == 0:
        return manifest, manifest.take(np.empty(0, np.int64))
    wanted = max(wanted, 2)
    if len(eligible) < wanted or len(counts) - wanted < 2:
        raise InputError(
            f"val_identities: cannot hold out {wanted} of {len(counts)} identities "
            f"({len(eligible)} with two photos or more) and train on the rest: 2 must remain on "
            "each side; add identities, or hold out 0"
        )
    held = np.random.default_rng(seed).permutation(eligible)[:wanted]
    outside = np.isin(manifest.labels, held)
    return manifest.take(np.flatnonzero(~outside)), manifest.take(np.flatnonzero(outside))


def _count(share: str | int, total: int) -> int:
    text = str(share).strip()
    try:
        value = float(text[:-1]) / 100 * total if text.endswith("%") else float(int(text))
    except ValueError:
        value = -1.0
    if value < 0:
        raise InputError(
            f"val_identities: {share!r} is neither a number nor a percentage, like 10%"
        )
    return round(value)
