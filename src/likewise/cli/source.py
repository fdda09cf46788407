"""What a command was given to work on: photos to be embedded, or embeddings as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likewise.cli.output import BadImagePolicy, note

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from likewise.data.embeddings import Embeddings
    from likewise.data.images import BadImage
    from likewise.data.manifest import Manifest
    from likewise.models.calibration import Calibration
    from likewise.models.embedder import Embedder
    from likewise.shares import Share

__all__ = ["Side", "Source", "embeddings_of", "shared_embeddings_of"]


@dataclass(frozen=True)
class Side:
    """Which side of a divided set a command works on.

    Args:
        wanted: ``train``, ``val``, ``test``, ``all``; None if it was not said.
        default: what is taken then, where the table has it.
    """

    wanted: str | None
    default: str

    def rows(
        self, table: pa.Table, data: Path, share: Share
    ) -> tuple[NDArray[np.int64] | None, dict[str, Any]]:
        """The rows of this side, None for all of them, and what a report says about it.

        What was not asked for is told in a line.

        Raises:
            InputError: the table has no such side.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from likewise.errors import InputError, one_of

        if self.wanted is not None:
            one_of("--split", self.wanted, ("train", "val", "test", "all"))
        chosen = self.wanted or self.default
        if chosen == "all":
            return None, {}
        if "split" not in table.column_names:
            if self.wanted is not None:
                raise InputError(
                    f"{data}: --split {chosen}: there is no column split; likewise data split "
                    "makes one"
                )
            return None, {}
        column = table["split"].cast(pa.string()).fill_null("none")
        found = column.value_counts().to_pylist()
        counts = {entry["values"]: entry["counts"] for entry in found}
        told = ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))
        if chosen not in counts:
            if self.wanted is not None:
                raise InputError(f"{data}: --split {chosen}: no photo is of it; there are: {told}")
            if len(counts) > 1 and share.first:
                note(f"{data.name}: all photos together ({told}); --split takes one of them")
            return None, {}
        if self.wanted is None and len(counts) > 1 and share.first:
            others = ", ".join(
                f"{name} {n:,}" for name, n in sorted(counts.items()) if name != chosen
            )
            note(
                f"{data.name}: only the {counts[chosen]:,} photos of the split {chosen} are taken "
                f"(others: {others}); choose with --split, or --split all"
            )
        return np.flatnonzero(pc.equal(column, chosen).to_numpy()), {"split": chosen}


@dataclass(frozen=True)
class Source:
    """Embeddings and where they came from.

    Args:
        embeddings: read, or made of photos.
        bad: the broken photos that were left out.
        photos: where the photos are, as far as it is known.
        settings: what a report should say about it.
        calibration: that of the model, if one was named.
        trained_on: those of the people whom the model, if one was named, was trained on.
    """

    embeddings: Embeddings
    bad: list[BadImage]
    photos: Manifest | Path | None
    settings: dict[str, Any]
    calibration: Calibration | None = None
    trained_on: tuple[str, ...] = ()


def embeddings_of(
    data: Path,
    model: str | None,
    *,
    ids: Path | None,
    root: Path | None,
    device: str,
    flip: bool,
    policy: BadImagePolicy,
    side: Side | None = None,
) -> Source:
    """Read a file of embeddings, or embed photos with a model.

    Args:
        side: which rows of a table with a column ``split`` are wanted; all if None.

    Raises:
        InputError: the data cannot be used, photos come without a model, the embeddings were
            made by another model than the one named, or no row is of the side that is wanted.
    """
    from likewise.shares import Share

    found = shared_embeddings_of(
        data, model, Share(), ids=ids, root=root, device=device, flip=flip, policy=policy, side=side
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
    side: Side | None = None,
    everywhere: bool = False,
) -> Source | None:
    """The same with the photos embedded by all processes of a launcher.

    Returns:
        None on all but the first process, unless ``everywhere``.

    Raises:
        InputError: see ``embeddings_of``.
    """
    from likewise.data.embeddings import read_embeddings, require_same_embedder
    from likewise.data.formats import read_manifest
    from likewise.distances.resolution import all_alike, mean_cosine
    from likewise.errors import InputError
    from likewise.models.loading import load
    from likewise.models.shared_embedding import embed_together

    if data.suffix.lower() == ".npy" or _has_vectors(data):
        found = read_embeddings(data, ids)
        rows, told = side.rows(found.items, data, share) if side else (None, {})
        if rows is not None:
            found = replace(found, vectors=found.vectors[rows], items=found.items.take(rows))
        settings: dict[str, Any] = {"data": data.name, **told}
        calibration: Calibration | None = None
        trained_on: tuple[str, ...] = ()
        if model is not None:
            settings["model"] = _short(model)
            embedder = load(model)
            require_same_embedder(embedder.fingerprint, found.fingerprint, str(data))
            calibration, trained_on = embedder.calibration, _trained_on(embedder, found)
        if not (share.first or everywhere):
            return None
        if share.first and all_alike(mean_cosine(found.vectors)):
            note(
                f"warning: {data}: all embeddings are alike, closer than float32 can tell apart: "
                "nobody can be told from another by them"
            )
        return Source(found, [], root, settings, calibration, trained_on)
    manifest = read_manifest(data, root)
    rows, told = side.rows(manifest.table, data, share) if side else (None, {})
    if rows is not None:
        manifest = manifest.take(rows)
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
        **told,
        "data_fingerprint": manifest.fingerprint,
        "preprocess": embedder.preprocess.to_dict(),
        "flip": flip,
    }
    trained_on = _trained_on(embedder, found)
    return Source(found, bad, manifest, settings, embedder.calibration, trained_on)


def _trained_on(embedder: Embedder, found: Embeddings) -> tuple[str, ...]:
    """The people of these photos whose names are those of people that the model has learnt."""
    if embedder.identities is None or "identity" not in found.items.column_names:
        return ()
    here = {str(name) for name in found.items["identity"].unique().to_pylist()}
    return tuple(sorted(here.intersection(embedder.identities)))


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
