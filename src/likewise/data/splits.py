"""Splits in which no identity stands on two sides."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from likewise.arguments import check_count
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["cross_validation", "hold_out", "train_val_test", "without_places"]

log = logging.getLogger(__name__)


def hold_out(manifest: Manifest, share: str | int, seed: int) -> tuple[Manifest, Manifest]:
    """Split into (train, held out) with disjoint identities, drawn by ``seed``.

    A recogniser is judged on people it has never seen; photos of one person on both sides would
    make it look better than it is. Identities with a single photo stay in training, where they
    serve as negatives: held out, they could form no genuine pair.

    Args:
        manifest: the photos.
        share: the identities to hold out: a number (``20``) or a percentage (``"10%"``) of those
            with two photos or more; at least 2 are held out, unless it is 0, and at least 2 are
            left. A percentage of too few identities for that holds out nobody, with a warning.
        seed: the same seed draws the same identities.

    Raises:
        InputError: the share cannot be read, or there are fewer identities than the number.
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    eligible = np.flatnonzero(counts >= 2)
    wanted = _at_least_two("val_identities", share, len(eligible))
    if (
        wanted == 2 and str(share).strip().endswith("%") and (len(eligible) < 2 or len(counts) < 4)
    ):  # the share of a set that nobody has counted yet
        log.warning(
            "nobody is held out, so nothing is validated: val_identities=%s needs 4 people or "
            "more, 2 of them with two photos or more; here are %d, %d of them with two or more",
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


def train_val_test(
    manifest: Manifest, *, val: str | int = "10%", test: str | int = "10%", seed: int = 0
) -> Manifest:
    """Mark every photo train, val or test in the column ``split``; no identity is on two sides.

    As in ``hold_out``, identities with a single photo are for training.

    Args:
        manifest: the photos; a column ``split`` that they have is replaced.
        val: the identities for validation: a number, or a percentage of those with two photos or
            more; at least 2, or 0 for none.
        test: the same for the test.
        seed: the same seed draws the same identities.

    Raises:
        InputError: a share cannot be read, or there are too few identities for them.

    Example:
        >>> from likewise.data.formats import read_manifest
        >>> from likewise.data.splits import train_val_test
        >>> divided = train_val_test(read_manifest(photos), val=0, test=0)
        >>> len(divided.split("train"))
        12
    """
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    eligible = np.flatnonzero(counts >= 2)
    sizes = [
        _at_least_two(name, share, len(eligible)) for name, share in (("test", test), ("val", val))
    ]
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
    """All photos once a fold: those of the fold's identities are val, the rest train.

    Every identity is in val once. The folds are equal in identities to within one, and so are
    the identities with two photos or more, which alone form genuine pairs. The column ``fold``
    says in which fold, from 1 on, a photo is in val; it is the same in all of them.

    Args:
        manifest: the photos; columns ``split`` and ``fold`` that they have are replaced.
        folds: how many, 2 or more.
        seed: the same seed draws the same folds.

    Raises:
        InputError: there are fewer than two folds, or fewer than two identities with two photos
            for each.
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
    """Without the column of a store's places: as a table that is read with the store as root."""
    if manifest.store is None:
        return manifest
    return replace(manifest, table=manifest.table.drop_columns(["place"]))


def _named(part: NDArray[np.int8]) -> pa.Array:
    return pa.array(["train", "val", "test"]).take(pa.array(part))


def _with_columns(manifest: Manifest, **columns: pa.Array) -> Manifest:
    table = manifest.table
    for name, column in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, column)
    return replace(manifest, table=table)


def _at_least_two(name: str, share: str | int, total: int) -> int:
    """The identities that a share takes; one of few is rounded up to 2, not down to none."""
    text = str(share).strip()
    try:
        value = float(text[:-1]) / 100 * total if text.endswith("%") else float(int(text))
        nothing = not float(text.removesuffix("%"))
    except ValueError:
        value, nothing = -1.0, False
    if not 0 <= value < float("inf"):
        raise InputError(f"{name}: {share!r} is neither a number nor a percentage, like 10%")
    return 0 if nothing else max(2, round(value))
