"""Who is trained on, who decides the tuning, who is tested on: never the same identity twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.data.splits import hold_out
from likewise.errors import InputError
from likewise.lab.compare.photo_set import PhotoSet

__all__ = ["Fold", "partition"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One division of the photos, as rows of the photo set.

    Args:
        number: from 1.
        training: what the final runs learn from.
        fitting: the part of it that the trials learn from.
        validation: the rest of it, by which the trials are judged; its identities are others.
        test: identities that are in none of these.
    """

    number: int
    training: Rows
    fitting: Rows
    validation: Rows
    test: Rows


def partition(photos: PhotoSet, folds: int, validation: str | int) -> list[Fold]:
    """Divide by identity: a fixed test set makes one fold, otherwise each identity is tested once.

    Each fold has a validation part of its own, so that no test photo has a say in its tuning.
    Identities with a single photo are trained on in every fold: no pair of them is the same.

    Args:
        photos: all of them; those past ``photos.training`` are the fixed test set.
        folds: how many, where there is no fixed test set.
        validation: how many of the training identities judge the tuning: a number or a percentage.

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
            f"--folds: {folds}; 2 or more, and 2 identities with two photos for each (there are "
            f"{len(eligible)})"
        )
    parts = np.array_split(np.random.default_rng(0).permutation(eligible), folds)
    found = []
    for number, part in enumerate(parts, 1):
        outside = np.isin(labels, part)
        found.append(_fold(photos, number, rows[~outside], rows[outside], validation))
    return found


def _fold(photos: PhotoSet, number: int, training: Rows, test: Rows, share: str | int) -> Fold:
    # The rows travel through the split as a column of the table.
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
            f"data.val_identities: {share} of {len(own.identities)} people holds out nobody; the "
            "tuning needs some to be judged by"
        )
    return Fold(number, training, fitting, validation, test)
