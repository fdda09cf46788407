"""The input of a command: photos that are embedded with a model, or embeddings from a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likewise.arguments import one_of
from likewise.cli.options import BadImagePolicy
from likewise.cli.output import note
from likewise.errors import InputError

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

__all__ = ["Input", "SplitChoice", "read_or_embed", "read_or_embed_distributed"]


@dataclass(frozen=True)
class SplitChoice:
    """The split that a command works on.

    Args:
        given: the value of --split: one of ``SPLITS``, or ``all``; None if absent. The test of a
            set that is divided into ``query`` and ``gallery`` are both.
        default: the split used without --split, if the table has it.
    """

    given: str | None
    default: str

    def rows(
        self, table: pa.Table, data: Path, share: Share
    ) -> tuple[NDArray[np.int64] | None, dict[str, Any]]:
        """Find the rows of the split; a split chosen by default is reported on stderr.

        Returns:
            The rows, None for all of them; and the settings that a report should show.

        Raises:
            InputError: the table does not have the split that --split names.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from likewise.data.manifest import SEARCHED, SPLITS

        if self.given is not None:
            one_of("--split", self.given, {*SPLITS, "all"})
        split = self.given or self.default
        if split == "all":
            return None, {}
        if "split" not in table.column_names:
            if self.given is not None:
                raise InputError(
                    f"{data}: --split {split}: there is no column split; likewise data split "
                    "makes one"
                )
            return None, {}
        column = table["split"].cast(pa.string()).fill_null("none")
        counts = {e["values"]: e["counts"] for e in column.value_counts().to_pylist()}
        wanted = [split]
        if split == "test" and split not in counts and counts.keys() >= set(SEARCHED):
            wanted, split = list(SEARCHED), " and ".join(SEARCHED)
        if not counts.keys() & set(wanted):
            if self.given is not None:
                raise InputError(
                    f"{data}: --split {split}: no photo is of this split; there are: "
                    f"{_counts_text(counts)}"
                )
            if len(counts) > 1 and share.is_rank_zero:
                note(
                    f"{data.name}: all photos are used ({_counts_text(counts)}); "
                    "choose a split with --split"
                )
            return None, {}
        if self.given is None and len(counts) > 1 and share.is_rank_zero:
            others = _counts_text({name: n for name, n in counts.items() if name not in wanted})
            note(
                f"{data.name}: only the {sum(counts[name] for name in wanted):,} photos of the "
                f"split {split} are used "
                f"(others: {others}); choose with --split, or --split all"
            )
        chosen = pc.is_in(column, value_set=pa.array(wanted))
        return np.flatnonzero(chosen.to_numpy()), {"split": split}


@dataclass(frozen=True)
class Input:
    """Embeddings and their origin.

    Args:
        embeddings: from the file, or of the photos.
        bad: the broken photos that were left out.
        photos: the photos, or the folder that their names are relative to; None if unknown.
        settings: what a report should show about the input.
        calibration: the calibration of the model that --model names.
        trained_on: the identities among the data that this model was trained on.
    """

    embeddings: Embeddings
    bad: list[BadImage]
    photos: Manifest | Path | None
    settings: dict[str, Any]
    calibration: Calibration | None = None
    trained_on: tuple[str, ...] = ()


def read_or_embed(
    data: Path,
    model: str | None,
    *,
    ids: Path | None,
    root: Path | None,
    device: str,
    flip: bool = False,
    policy: BadImagePolicy = BadImagePolicy.skip,
    split: SplitChoice | None = None,
    detect: bool | None = False,
    format: str | None = None,
) -> Input:
    """Read a file of embeddings, or embed photos with a model.

    Args:
        data: the photos or the file.
        model: the value of --model; others are those of the options of the same names.
        split: which rows of a table with a column ``split`` to use; None for all.
        detect: the value of --detect: whether to align the photos first; None: notice if they
            are not aligned.
        format: the value of --format.

    Raises:
        InputError: the data cannot be read, photos come without a model, the embeddings were
            made by another model than ``model``, or the data has no row of the split.
    """
    from likewise.shares import Share

    found = read_or_embed_distributed(
        data, model, Share(), ids=ids, root=root, device=device, flip=flip, policy=policy,
        split=split, detect=detect, format=format,
    )  # fmt: skip
    assert found is not None  # rank 0 always gets the embeddings
    return found


def read_or_embed_distributed(
    data: Path,
    model: str | None,
    share: Share,
    *,
    ids: Path | None,
    root: Path | None,
    device: str,
    flip: bool,
    policy: BadImagePolicy,
    split: SplitChoice | None = None,
    all_ranks: bool = False,
    detect: bool | None = False,
    format: str | None = None,
) -> Input | None:
    """Read a file of embeddings, or embed photos on all ranks, each its part.

    Returns:
        None on all ranks but 0, unless ``all_ranks``.

    Raises:
        InputError: see ``read_or_embed``.
    """
    from likewise.cli.detection import align_for_model
    from likewise.data.alignment import warn_of_two_alignments
    from likewise.data.embeddings import read_embeddings, require_same_embedder
    from likewise.data.formats import read_manifest
    from likewise.distances.resolution import indistinguishable, mean_cosine
    from likewise.models.loading import load
    from likewise.models.shared_embedding import embed_distributed

    if data.suffix.lower() == ".npy" or _has_vectors(data):
        found = read_embeddings(data, ids)
        rows, settings = split.rows(found.items, data, share) if split else (None, {})
        if rows is not None:
            found = replace(found, vectors=found.vectors[rows], items=found.items.take(rows))
        settings = {"data": data.name, **settings, **_alignment_of(found)}
        calibration: Calibration | None = None
        trained_on: tuple[str, ...] = ()
        if model is not None:
            settings["model"] = _short_name(model)
            embedder = load(model)
            require_same_embedder(embedder.fingerprint, found.fingerprint, str(data))
            warn_of_two_alignments(
                embedder.preprocess.alignment, found.alignment, f"{data} and the model"
            )
            calibration, trained_on = embedder.calibration, _identities_in_training(embedder, found)
        if not (share.is_rank_zero or all_ranks):
            return None
        if share.is_rank_zero and indistinguishable(mean_cosine(found.vectors)):
            note(
                f"warning: {data}: all embeddings are equal to within float32 precision; they "
                "cannot tell identities apart"
            )
        return Input(found, [], root, settings, calibration, trained_on)
    manifest = read_manifest(data, root, format=format)
    rows, split_settings = split.rows(manifest.table, data, share) if split else (None, {})
    if rows is not None:
        manifest = manifest.take(rows)
    if model is None:
        raise InputError(f"{data}: photos need a model to embed them: --model FOLDER")
    embedder = load(model, device=share.device(device))
    manifest, left_out = align_for_model(
        embedder, manifest, detect, source=data, policy=policy.value
    )
    embedded = embed_distributed(
        embedder, manifest, share, flip=flip, on_bad_image=policy.value, everywhere=all_ranks
    )
    if embedded is None:
        return None
    found, bad = embedded
    bad = left_out + bad
    settings = {
        "data": data.name,
        "model": _short_name(model),
        **split_settings,
        "data_fingerprint": manifest.fingerprint,
        "preprocess": embedder.preprocess.to_dict(),
        "flip": flip,
        **_alignment_of(found),
    }
    trained_on = _identities_in_training(embedder, found)
    return Input(found, bad, manifest, settings, embedder.calibration, trained_on)


def _alignment_of(found: Embeddings) -> dict[str, Any]:
    """The alignment of the photos for the settings of a report, where it is recorded."""
    return {} if found.alignment is None else {"alignment": found.alignment}


def _counts_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _identities_in_training(embedder: Embedder, found: Embeddings) -> tuple[str, ...]:
    """Return the identities of the data that the model was trained on, compared by name."""
    if embedder.identities is None or "identity" not in found.items.column_names:
        return ()
    here = {str(name) for name in found.items["identity"].unique().to_pylist()}
    return tuple(sorted(here.intersection(embedder.identities)))


def _short_name(model: str) -> str:
    """Return the last two parts of a path: ``photos/model`` of ``/home/me/runs/photos/model``."""
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
