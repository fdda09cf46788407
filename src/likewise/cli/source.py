"""What a command was given to work on: photos to be embedded, or embeddings as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likewise.cli.output import BadImagePolicy

if TYPE_CHECKING:
    from likewise.data.embeddings import Embeddings
    from likewise.data.images import BadImage
    from likewise.data.manifest import Manifest
    from likewise.models.calibration import Calibration
    from likewise.shares import Share

__all__ = ["Source", "embeddings_of", "shared_embeddings_of"]


@dataclass(frozen=True)
class Source:
    """Embeddings and where they came from.

    Args:
        embeddings: read, or made of photos.
        bad: the broken photos that were left out.
        photos: where the photos are, as far as it is known.
        settings: what a report should say about it.
        calibration: that of the model, if one was named.
    """

    embeddings: Embeddings
    bad: list[BadImage]
    photos: Manifest | Path | None
    settings: dict[str, Any]
    calibration: Calibration | None = None


def embeddings_of(
    data: Path,
    model: str | None,
    *,
    ids: Path | None,
    root: Path | None,
    device: str,
    flip: bool,
    policy: BadImagePolicy,
) -> Source:
    """Read a file of embeddings, or embed photos with a model.

    Raises:
        InputError: the data cannot be used, photos come without a model, or the embeddings were
            made by another model than the one named.
    """
    from likewise.shares import Share

    found = shared_embeddings_of(
        data, model, Share(), ids=ids, root=root, device=device, flip=flip, policy=policy
    )
    assert found is not None  # of the first process
    return found


def shared_embeddings_of(
    data: Path,
    model: str | None,
    share: Share,
    *,
    ids: Path | None,
    root: Path | None,
    device: str,
    flip: bool,
    policy: BadImagePolicy,
    everywhere: bool = False,
) -> Source | None:
    """The same with the photos embedded by all processes of a launcher.

    Returns:
        None on all but the first process, unless ``everywhere``.

    Raises:
        InputError: see ``embeddings_of``.
    """
    from likewise.data.embeddings import read_embeddings, require_same_embedder
    from likewise.data.manifest import read_manifest
    from likewise.errors import InputError
    from likewise.models.shared_embedding import embed_together
    from likewise.models.store import load

    if data.suffix.lower() == ".npy" or _has_vectors(data):
        found = read_embeddings(data, ids)
        calibration = None
        settings: dict[str, Any] = {"data": data.name}
        if model is not None:
            settings["model"] = _short(model)
            embedder = load(model)
            require_same_embedder(embedder.fingerprint, found.fingerprint, str(data))
            calibration = embedder.calibration
        if not (share.first or everywhere):
            return None
        return Source(found, [], root, settings, calibration)
    manifest = read_manifest(data, root)
    if model is None:
        raise InputError(f"{data}: photos need a model to embed them: --model FOLDER")
    embedder = load(model, device=share.device(device))
    embedded = embed_together(
        embedder, manifest, share, flip=flip, on_bad_image=policy.value, everywhere=everywhere
    )
    if embedded is None:
        return None
    found, bad = embedded
    settings = {
        "data": data.name,
        "model": _short(model),
        "data_fingerprint": manifest.fingerprint,
        "preprocess": embedder.preprocess.to_dict(),
        "flip": flip,
    }
    return Source(found, bad, manifest, settings, embedder.calibration)


def _short(model: str) -> str:
    """A model by the end of its name: ``photos/model`` of ``/home/me/runs/photos/model``."""
    path = Path(model)
    return "/".join(part for part in path.parts[-2:] if part != path.anchor)


def _has_vectors(path: Path) -> bool:
    """Whether this is a Parquet file of embeddings rather than a manifest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet":
        return False
    try:
        return "vector" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False
