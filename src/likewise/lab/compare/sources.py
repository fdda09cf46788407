"""Where the photos come from: a name that Likewise knows, or anything that it can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.orl import orl_faces
from likewise.data.repeats import without_repeats
from likewise.errors import InputError

__all__ = ["few_identities", "read_sources"]


def read_sources(
    data: str,
    test: str | None = None,
    *,
    root: Path | None = None,
    identities: int | None = None,
) -> tuple[Manifest, Manifest | None]:
    """The photos to train on, and those of a fixed test set where there is one.

    Args:
        data: a source of ``read_manifest``; ``orl``, the AT&T/ORL faces; or ``omniglot:FOLDER``,
            the folder of Omniglot's two archives, of which the second is the test set.
        test: a source of photos of other identities.
        root: where a table's paths start from.
        identities: take at most so many of each of the two, drawn once and for all.

    Raises:
        InputError: a source cannot be read, or an identity is in both.
        MissingExtra: the AT&T/ORL faces are not installed.
    """
    kind, colon, folder = data.partition(":")
    if kind == "omniglot" and colon:
        if test is not None:
            raise InputError("--test: omniglot:FOLDER brings its own test set; leave --test out")
        data, test = (
            str(Path(folder) / f"images_{part}.zip") for part in ("background", "evaluation")
        )
    training = orl_faces() if data == "orl" else without_repeats(read_manifest(data, root))
    unseen = None if test is None else without_repeats(read_manifest(test, root))
    if unseen is not None:
        shared = sorted(set(training.identities) & set(unseen.identities))
        if shared:
            raise InputError(
                f"--test: {len(shared)} identities are also in the training data, such as "
                f"{shared[0]}; the losses are compared on identities that none of them has seen"
            )
    if identities is not None:
        training = few_identities(training, identities)
        unseen = None if unseen is None else few_identities(unseen, identities)
    return training, unseen


def few_identities(manifest: Manifest, count: int) -> Manifest:
    """At most ``count`` identities, always the same ones.

    Raises:
        InputError: fewer than 4 are asked for: two to train on, two to test on.
    """
    if count < 4:
        raise InputError(f"--identities: {count} is too few; 4 or more")
    total = len(manifest.identities)
    if total <= count:
        return manifest
    chosen = np.random.default_rng(0).permutation(total)[:count]
    return manifest.take(np.flatnonzero(np.isin(manifest.labels, chosen)))
