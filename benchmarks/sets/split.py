"""A set of labeled photos in two parts that share no identity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError, first_few


class MissingData(LikewiseError):
    """A set cannot be had on this machine; the message says what to install."""


@dataclass(frozen=True)
class Split:
    """Photos to develop with, and photos of other identities to test on, once.

    Args:
        name: of the set.
        train: the photos for training and for every choice.
        test: the photos of other identities.

    Raises:
        LikewiseError: the parts share an identity, or one of them is empty.
    """

    name: str
    train: Manifest
    test: Manifest

    def __post_init__(self) -> None:
        shared = set(self.train.identities) & set(self.test.identities)
        if shared:
            raise LikewiseError(f"{self.name}: in both parts: {first_few(sorted(shared))}")
        for part, manifest in (("train", self.train), ("test", self.test)):
            if not len(manifest):
                raise LikewiseError(f"{self.name}: its part {part} has no photos")


def of_identities(manifest: Manifest, chosen: Iterable[str]) -> Manifest:
    """The photos of these identities, in the order of the manifest."""
    wanted = pa.array(sorted(chosen), pa.string())
    column = pc.cast(manifest.table["identity"], pa.string())
    return manifest.take(np.flatnonzero(pc.is_in(column, value_set=wanted).to_numpy()))


def with_photos(manifest: Manifest, least: int) -> list[str]:
    """The identities with at least this many photos, sorted."""
    counts = np.bincount(manifest.labels, minlength=len(manifest.identities))
    return [name for name, count in zip(manifest.identities, counts, strict=True) if count >= least]


def at_most(manifest: Manifest, most: int) -> Manifest:
    """At most this many photos of each identity: the first of them by name."""
    order = np.argsort(np.array(manifest.names))
    kept: list[int] = []
    seen = np.zeros(len(manifest.identities), np.int64)
    for row in order:
        label = manifest.labels[row]
        if seen[label] < most:
            kept.append(int(row))
        seen[label] += 1
    return manifest.take(sorted(kept))


def drawn(names: Sequence[str], count: int, seed: int) -> list[str]:
    """So many of the names, drawn by the seed; sorted.

    The draw does not depend on the order in which the names are given.
    """
    if count > len(names):
        raise LikewiseError(f"{count} identities are wanted, {len(names)} are there")
    chosen = np.random.default_rng(seed).permutation(len(names))[:count]
    return sorted(np.array(sorted(names))[chosen].tolist())


def two_parts(names: Sequence[str], share: float, seed: int) -> dict[str, str]:
    """Each name's part, ``train`` or ``test``: the given share of the names is drawn for train."""
    train = set(drawn(names, round(share * len(names)), seed))
    return {name: "train" if name in train else "test" for name in names}
