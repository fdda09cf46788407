"""Embed photos with several processes; the vectors are the same as with one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from likewise.data.embeddings import Embeddings
from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import OnBadImage
from likewise.data.repeats import without_repeats
from likewise.models.embedded.rows import EmbeddedRows, named_embeddings
from likewise.models.embedder import Embedder
from likewise.shares import Share

__all__ = ["embed_distributed"]


def embed_distributed(
    embedder: Embedder,
    manifest: Manifest,
    share: Share,
    *,
    batch_size: int = 64,
    flip: bool = False,
    on_bad_image: OnBadImage = "refuse",
    everywhere: bool = False,
    precision: str = "float32",
    compile: bool = False,
) -> tuple[Embeddings, list[BadImage]] | None:
    """Embed a manifest's photos together with the other processes, each a contiguous part.

    A part consists of whole batches, so that the batches are those of a single process.

    Args:
        embedder: the same in every process.
        manifest: the same in every process.
        share: the part of this process.
        batch_size: images at a time.
        flip: add the embedding of the mirrored photo.
        on_bad_image: ``skip`` leaves broken photos out, ``refuse`` raises the first one.
        everywhere: all processes get the embeddings; otherwise only rank 0 does.
        precision, compile: as in ``Embedder.embed``.

    Returns:
        As ``Embedder.embed_manifest``; None on all but rank 0, unless ``everywhere``.

    Raises:
        BadImage: the first broken photo of this part, under ``refuse``.
        LikewiseError: no photo can be read, or the processes cannot connect.

    Example:
        >>> import likewise
        >>> from likewise.models.shared_embedding import embed_distributed
        >>> from likewise.shares import own_share
        >>> found = embed_distributed(
        ...     likewise.load(model), likewise.read_manifest(photos), own_share()
        ... )
        >>> len(found[0])
        12
    """

    def work() -> dict[str, np.ndarray]:
        found = embedder.embed_rows(
            manifest, share.span(len(manifest), batch_size), batch_size=batch_size, flip=flip,
            on_bad_image=on_bad_image, precision=precision, compile=compile,
        )  # fmt: skip
        bad_names = [[bad.name, bad.reason] for bad in found.broken]
        return {
            "vectors": found.vectors,
            "norms": found.norms,
            "rows": np.array(found.rows, np.int64),
            "broken": np.array(bad_names, np.str_).reshape(-1, 2),
        }

    if share.count == 1:
        return embedder.embed_manifest(
            manifest, batch_size=batch_size, flip=flip, on_bad_image=on_bad_image,
            precision=precision, compile=compile,
        )  # fmt: skip
    manifest = without_repeats(manifest)
    key = [embedder.fingerprint, _state(manifest), batch_size, flip, on_bad_image, precision]
    shares = share.gather("embeddings-norms", key, work, everywhere=everywhere)
    if shares is None:
        return None
    embedded = EmbeddedRows(
        np.concatenate([part["vectors"] for part in shares]),
        np.concatenate([part["norms"] for part in shares]),
        np.concatenate([part["rows"] for part in shares]),
        [BadImage(*entry) for part in shares for entry in part["broken"].tolist()],
    )
    return named_embeddings(manifest, embedded, embedder.fingerprint), embedded.broken


def _state(manifest: Manifest) -> str:
    """A hash of the photos and their modification times, so that no outdated vectors are used."""
    digest = hashlib.sha256(f"{manifest.fingerprint}{_stamp(manifest.root)}".encode())
    for photo in manifest.photos():
        if not isinstance(photo, Path):  # all are in the store, whose modification time is included
            # The place of an aligned crop tells which version of its photo it is of.
            digest.update(manifest.table["place"].to_numpy().tobytes())
            break
        digest.update(_stamp(photo).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"{path.name}: missing;"
    return f"{path.name}: {status.st_size} {status.st_mtime_ns};"
