"""The embeddings of some rows of a manifest, before they are joined with names and metadata."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.columns import rename_reserved_columns
from likewise.data.embeddings import NORM, Embeddings
from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import OnBadImage
from likewise.distances.resolution import indistinguishable, mean_cosine
from likewise.distances.similarity import unit_and_length
from likewise.errors import LikewiseError

__all__ = ["EmbeddedRows", "collect_rows", "named_embeddings"]

log = logging.getLogger(__name__)


class EmbeddedRows(NamedTuple):
    """Embeddings of photos of a manifest.

    Args:
        vectors: float32 [N,D], of unit length.
        norms: float32 [N]: the length of each before; with ``flip``, of the mean of both.
        rows: the row of the manifest of each.
        broken: the photos that cannot be read.
    """

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    rows: Sequence[int] | NDArray[np.int64]
    broken: list[BadImage]


def collect_rows(
    batches: Iterable[tuple[Tensor, list[int], list[BadImage]]],
    start: int,
    advance: Callable[[int], None],
    *,
    views: int,
    on_bad_image: OnBadImage,
) -> EmbeddedRows:
    """The embeddings of all batches, of unit length.

    Args:
        batches: as ``embed_batches`` yields them.
        start: the row of the first photo.
        advance: told the number of photos of each batch.
        views: of each photo, of whose embeddings a vector is the sum.
        on_bad_image: ``skip`` leaves broken photos out, ``refuse`` raises the first one.

    Raises:
        BadImage: the first broken photo, under ``refuse``.
    """
    parts, norms = [np.empty((0, 0), np.float32)], [np.empty(0, np.float32)]
    read: list[int] = []
    broken: list[BadImage] = []
    for vectors, good, bad in batches:
        if bad and on_bad_image == "refuse":
            raise bad[0]
        if good:
            directions, lengths = unit_and_length(vectors)
            parts.append(directions.numpy())
            norms.append((lengths / views).numpy())
        read += [start + row for row in good]
        broken += bad
        advance(len(good) + len(bad))
    vectors_of_all = np.concatenate(parts[1:] or parts)
    return EmbeddedRows(vectors_of_all, np.concatenate(norms), read, broken)


def named_embeddings(manifest: Manifest, found: EmbeddedRows, fingerprint: str) -> Embeddings:
    """Embeddings with the names, identities and metadata of their photos, and a column ``norm``.

    Args:
        manifest: the photos.
        found: the embeddings of its rows.
        fingerprint: of the embedder.

    Raises:
        LikewiseError: no photo can be read.
    """
    if not len(found.rows):
        raise LikewiseError(f"{manifest.root}: none of the {len(manifest)} photos can be read")
    several = "identity" in manifest.table.column_names and len(manifest.identities) > 1
    if several and indistinguishable(mean_cosine(found.vectors)):
        log.warning(
            "%s: the model gives all photos the same embedding within float32 precision: it "
            "cannot tell people apart", manifest.root,
        )  # fmt: skip
    items = manifest.take(found.rows).table if found.broken else manifest.table
    if manifest.store is not None:  # a row number of the store, of no use outside it
        items = items.drop_columns(["place"])
    items = rename_reserved_columns(items, manifest.root, (NORM,))
    items = items.append_column(NORM, pa.array(found.norms, pa.float32()))
    return Embeddings(found.vectors, items, fingerprint, manifest.alignment)
