"""The photos of a comparison: a data set known by name, or any source of a manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from likewise.arguments import check_count
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
    """The photos to train on, and those of a fixed test set, if there is one.

    Args:
        data: a source for ``read_manifest``; ``orl``, the AT&T/ORL faces; or ``omniglot:FOLDER``,
            the folder with the two archives of Omniglot, of which the second is the test set.
        test: a source of photos of other identities.
        root: folder to which the paths of a table are relative.
        identities: use at most this many identities of each, always the same ones.

    Raises:
        InputError: a source cannot be read, or an identity is in both.
        MissingExtra: the AT&T/ORL faces are not installed.
    """
    kind, colon, folder = data.partition(":")
    if kind == "omniglot" and colon:
        if test is not None:
            raise InputError("--test: omniglot:FOLDER has its own test set; leave --test out")
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
                f"{shared[0]}; test identities must not occur in the training data"
            )
    if identities is not None:
        training = few_identities(training, identities)
        unseen = None if unseen is None else few_identities(unseen, identities)
    return training, unseen


def few_identities(manifest: Manifest, count: int) -> Manifest:
    """At most ``count`` identities, always the same ones.

    Raises:
        InputError: ``count`` is below 4: two identities to train on, two to test on.
    """
    check_count("--identities", count, least=4)
    total = len(manifest.identities)
    if total <= count:
        return manifest
    chosen = np.random.default_rng(0).permutation(total)[:count]
    return manifest.take(np.flatnonzero(np.isin(manifest.labels, chosen)))
