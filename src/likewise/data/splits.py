"""Train/validation/test splits and folds with disjoint identities."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from likewise.arguments import check_count
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = [
    "cross_validation",
    "hold_out",
    "share_of",
    "train_val_test",
    "with_photos",
    "without_places",
]

log = logging.getLogger(__name__)


def hold_out(manifest: Manifest, share: str | int, seed: int) -> tuple[Manifest, Manifest]:
    """Split into (train, held out) with disjoint identities, drawn by ``seed``.

    Photos of one person on both sides would be leakage and overestimate the accuracy. Identities
    with a single photo stay in training, where they serve as negatives: held out, they could form
    no genuine pair.

    Args:
        manifest: the photos.
        share: the identities to hold out: a number (``20``) or a percentage (``"10%"``) of those
            with two photos or more; 0 holds out none, else at least 2 are held out and at least 2
            remain. If a percentage cannot satisfy this, nobody is held out, with a warning.
        seed: the same seed draws the same identities.

    Raises:
        InputError: the share is invalid, or there are fewer identities than the number.
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    eligible = np.flatnonzero(counts >= 2)
    wanted = share_of("val_identities", share, len(eligible))
    if (
        wanted == 2 and str(share).strip().endswith("%") and (len(eligible) < 2 or len(counts) < 4)
    ):  # a percentage may be a default, so it is not an error on a small set
        log.warning(
            "nobody is held out, so nothing is validated: val_identities=%s needs 4 identities or "
            "more, 2 of them with two photos or more; there are %d, %d of them with two or more",
            share, len(counts), len(eligible),
        )  # fmt: skip
        wanted = 0
    if wanted == 0:
        return manifest, manifest.take(np.empty(0, np.int64))
    if len(eligible) < wanted or len(counts) - wanted < 2:
        raise InputError(
            f"val_identities: cannot hold out {wanted} of {len(counts)} identities "
            f"({len(eligible)} with two photos or more) and train on the rest: 2 must remain on "
            "each side; add identities, or hold out 0"
        )
    held = np.random.default_rng(seed).permutation(eligible)[:wanted]
    outside = np.isin(manifest.labels, held)
    return manifest.take(np.flatnonzero(~outside)), manifest.take(np.flatnonzero(outside))


def with_photos(manifest: Manifest, least: int) -> Manifest:
    """The photos of the identities that have this many or more, in the same order.

    Example:
        >>> import likewise
        >>> from likewise.data.splits import with_photos
        >>> len(with_photos(likewise.read_manifest(photos), 1000))
        0
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    enough = counts[manifest.labels] >= least
    return manifest if enough.all() else manifest.take(np.flatnonzero(enough))


def train_val_test(
    manifest: Manifest, *, val: str | int = "10%", test: str | int = "10%", seed: int = 0
) -> Manifest:
    """Assign every photo to train, val or test in the column ``split``, by identity.

    As in ``hold_out``, identities with a single photo go to training.

    Args:
        manifest: the photos; an existing column ``split`` is replaced.
        val: the identities for validation: a number, or a percentage of those with two photos or
            more; at least 2, or 0 for none.
        test: the identities for the test, likewise.
        seed: the same seed draws the same identities.

    Raises:
        InputError: a share is invalid, or there are too few identities.

    Example:
        >>> from likewise.data.formats import read_manifest
        >>> from likewise.data.splits import train_val_test
        >>> divided = train_val_test(read_manifest(photos), val=0, test=0)
        >>> len(divided.split("train"))
        12
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    eligible = np.flatnonzero(counts >= 2)
    sizes = [share_of(name, share, len(eligible)) for name, share in (("test", test), ("val", val))]
    if sum(sizes) > len(eligible) or len(counts) - sum(sizes) < 2:
        raise InputError(
            f"split: cannot take {sizes[1]} identities for val and {sizes[0]} for test of "
            f"{len(counts)} ({len(eligible)} with two photos or more) and train on the rest: 2 "
            "must remain; add identities, or take fewer"
        )
    drawn = np.random.default_rng(seed).permutation(eligible)
    part = np.zeros(len(counts), np.int8)
    part[drawn[: sizes[0]]] = 2
    part[drawn[sizes[0] : sum(sizes)]] = 1
    return _with_columns(manifest, split=_named(part[manifest.labels]))


def cross_validation(manifest: Manifest, folds: int, *, seed: int = 0) -> list[Manifest]:
    """One manifest of all photos per fold: the fold's identities are val, the others train.

    Every identity is in val once. The folds have equal numbers of identities to within one, and
    equal numbers of identities with two photos or more, which alone form genuine pairs. The column
    ``fold`` gives the fold, from 1 on, in which a photo is in val.

    Args:
        manifest: the photos; existing columns ``split`` and ``fold`` are replaced.
        folds: the number of folds, 2 or more.
        seed: the same seed draws the same folds.

    Raises:
        InputError: there are fewer than two folds, or fewer than two identities with two photos
            per fold.
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    eligible = np.flatnonzero(counts >= 2)
    check_count("folds", folds, least=2)
    if len(eligible) < 2 * folds:
        raise InputError(
            f"folds: {folds} of {len(eligible)} identities with two photos or more: each fold "
            f"needs 2; take {max(len(eligible) // 2, 2)} folds or fewer, or add identities"
        )
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(eligible), rng.permutation(np.flatnonzero(counts < 2))])
    fold = np.empty(len(counts), np.int64)
    fold[order] = np.arange(len(order)) % folds + 1
    of_photo = fold[manifest.labels]
    return [
        _with_columns(
            manifest,
            split=_named((of_photo == number).astype(np.int8)),
            fold=pa.array(of_photo),
        )
        for number in range(1, folds + 1)
    ]


def without_places(manifest: Manifest) -> Manifest:
    """The manifest without the column ``place``: as a table that is read with the store as root."""
    if manifest.store is None:
        return manifest
    return replace(manifest, table=manifest.table.drop_columns(["place"]), store=None)


def _named(part: NDArray[np.int8]) -> pa.Array:
    return pa.array(["train", "val", "test"]).take(pa.array(part))


def _with_columns(manifest: Manifest, **columns: pa.Array) -> Manifest:
    table = manifest.table
    for name, column in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, column)
    return replace(manifest, table=table)


def share_of(name: str, share: str | int, total: int) -> int:
    """The number of identities or photos in a share: 0 if the share is 0, else at least 2.

    Args:
        name: of the key, for messages.
        share: a number (``20``) or a percentage (``"10%"``).
        total: of which the percentage is taken.

    Raises:
        InputError: the share is neither.
    """
    text = str(share).strip()
    try:
        value = float(text[:-1]) / 100 * total if text.endswith("%") else float(int(text))
        nothing = not float(text.removesuffix("%"))
    except ValueError:
        value, nothing = -1.0, False
    if not 0 <= value < float("inf"):
        raise InputError(f"{name}: {share!r} is neither a number nor a percentage, like 10%")
    return 0 if nothing else max(2, round(value))
