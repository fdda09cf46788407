"""Folds: training, validation and test splits with disjoint identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.data.splits import hold_out
from likewise.errors import InputError
from likewise.lab.compare.photo_set import PhotoSet

__all__ = ["Fold", "make_folds"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One fold, as rows of the photo set.

    Args:
        number: from 1.
        training: training photos of the final runs.
        fitting: training photos of the trials, a part of ``training``.
        validation: the rest of ``training``, of other identities; the trials are compared on it.
        test: photos of identities that are in none of these.
    """

    number: int
    training: Rows
    fitting: Rows
    validation: Rows
    test: Rows


def make_folds(photos: PhotoSet, folds: int, validation: str | int) -> list[Fold]:
    """Split by identity: one fold with a fixed test set; otherwise each identity is tested once.

    Each fold has its own validation part, so no test photo influences its tuning. Identities with
    a single photo are in the training part of every fold, because they give no genuine pair.

    Args:
        photos: all photos; those after ``photos.training`` are the fixed test set.
        folds: the number of folds, if there is no fixed test set.
        validation: number or percentage of the training identities held out for the tuning.

    Raises:
        InputError: there are too few identities.
    """
    count = len(photos.training)
    rows = np.arange(count)
    if count < len(photos.labels):
        return [_fold(photos, 1, rows, np.arange(count, len(photos.labels)), validation)]
    labels = photos.training.labels
    sizes = np.bincount(labels)
    eligible = np.flatnonzero(sizes >= 2)
    if folds < 2 or len(eligible) < 2 * folds:
        raise InputError(
            f"--folds: {folds}; must be at least 2, with at least 2 identities of two photos or "
            f"more in each fold (there are {len(eligible)} such identities)"
        )
    parts = np.array_split(np.random.default_rng(0).permutation(eligible), folds)
    found = []
    for number, part in enumerate(parts, 1):
        outside = np.isin(labels, part)
        found.append(_fold(photos, number, rows[~outside], rows[outside], validation))
    return found


def _fold(photos: PhotoSet, number: int, training: Rows, test: Rows, share: str | int) -> Fold:
    # The rows are kept as a column of the table through the split.
    table = pa.table({
        "path": photos.training.table["path"],
        "identity": photos.training.table["identity"],
        "row": np.arange(len(photos.training)),
    })  # fmt: skip
    own = Manifest(table, photos.training.root).take(training)
    fitting, validation = (
        part.table["row"].to_numpy().astype(np.int64) for part in hold_out(own, share, seed=number)
    )
    if not len(validation):
        raise InputError(
            f"data.val_identities: {share} of {len(own.identities)} identities holds out none; the "
            "tuning needs at least one"
        )
    return Fold(number, training, fitting, validation, test)
