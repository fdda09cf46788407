"""The parts of Labeled Faces in the Wild: what may be looked at when, by its protocol.

"Labeled Faces in the Wild" (Huang et al., 2007), image-unrestricted: identities may be used. The
photos are aligned, and the detector that aligned them learned from other photos: so the labels are
those of LFW only, the alignment is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.pairs import Pairs, draw_pairs
from likewise.data.protocols import read_pairs
from likewise.data.protocols.lfw import read_people
from likewise.data.splits import train_val_test
from likewise.errors import InputError

PHOTOS = "aligned112"
HELD_OUT = "10%"  # of the people to train on: for validation and for the threshold
MOST_PHOTOS = 10  # of one person in drawn pairs, so that a few famous people do not decide
MOST_PAIRS = 5000  # of each kind


@dataclass(frozen=True)
class Trial:
    """What a model is trained on, and the pairs that it is tested on, once.

    Args:
        training: photos of the people to train on, with those held out in the column ``split``.
        pairs: the pairs to test on, of other people.
        photos: the photos of the pairs.
    """

    training: Manifest
    pairs: Pairs
    photos: Manifest


def of_people(everyone: Manifest, names: list[str]) -> Manifest:
    """The photos of these people."""
    column = pc.cast(everyone.table["identity"], pa.string())
    rows = np.flatnonzero(pc.is_in(column, value_set=pa.array(names, pa.string())).to_numpy())
    return everyone.take(rows)


def development(lfw: Path) -> Manifest:
    """The photos of View 1's training people (DevTrain): all that a choice may look at."""
    names = read_people(lfw / "protocol" / "peopleDevTrain.csv").names
    return of_people(read_manifest(lfw / PHOTOS), names)


def closed_to_choices(lfw: Path) -> list[Path]:
    """Everything but the photos and the list of DevTrain: for ``seal``."""
    names = set(read_people(lfw / "protocol" / "peopleDevTrain.csv").names)
    photos = [path for path in (lfw / PHOTOS).iterdir() if path.name not in names]
    lists = [p for p in (lfw / "protocol").iterdir() if "DevTrain" not in p.name]
    return [*photos, *lists]


def view_1(lfw: Path, seed: int) -> Trial:
    """Trained on DevTrain, tested on the pairs of DevTest."""
    training = train_val_test(development(lfw), val=HELD_OUT, test=0, seed=seed)
    pairs = read_pairs(lfw / "protocol" / "pairsDevTest.txt")
    return Trial(training, pairs, photos_of(pairs, lfw))


def view_2(lfw: Path, fold: int, seed: int) -> Trial:
    """Trained on the people of nine folds, tested on the pairs of the tenth (``fold``, from 1)."""
    people = read_people(lfw / "protocol" / "people.csv")
    names = [n for n, f in zip(people.names, people.fold, strict=True) if f != fold - 1]
    training = of_people(read_manifest(lfw / PHOTOS), names)
    everything = read_pairs(lfw / "protocol" / "pairs.txt")
    rows = np.flatnonzero(everything.fold == fold - 1)
    pairs = Pairs(
        np.asarray(everything.left)[rows].tolist(),
        np.asarray(everything.right)[rows].tolist(),
        everything.same[rows],
        everything.fold[rows],
    )
    trial = Trial(
        train_val_test(training, val=HELD_OUT, test=0, seed=seed), pairs, photos_of(pairs, lfw)
    )
    tested = {name.split("/")[0] for name in trial.photos.names}
    if shared := tested & set(training.identities):
        raise InputError(f"{lfw}: fold {fold}: in training and in test: {sorted(shared)[0]}")
    return trial


def photos_of(pairs: Pairs, lfw: Path) -> Manifest:
    """The photos of the pairs, each once."""
    names = sorted({f"{name}.jpg" for side in (pairs.left, pairs.right) for name in side})
    table = pa.table({"path": names, "identity": [name.split("/")[0] for name in names]})
    return replace(Manifest(table, lfw / PHOTOS), alignment=read_manifest(lfw / PHOTOS).alignment)


def balanced_pairs(labels: NDArray[np.int64]) -> tuple[Pairs, NDArray[np.int64]]:
    """As many genuine as impostor pairs, and the rows that they refer to: some of each person."""
    seen: dict[int, int] = {}
    rows = []
    for row, label in enumerate(labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= MOST_PHOTOS:
            rows.append(row)
    chosen = np.array(rows)
    counts = np.bincount(labels[chosen])
    genuine = int((counts * (counts - 1) // 2).sum())
    return draw_pairs(labels[chosen], limit=max(1, min(MOST_PAIRS, genuine))), chosen
