"""Photos without identities: a student learns from its teacher alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from likewise.data.alignment import alignment_of_crops
from likewise.data.formats import read_manifest
from likewise.data.formats.folder import walk_photos
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.manifest import Manifest
from likewise.data.splits import share_of
from likewise.errors import InputError
from likewise.losses.registry import has_weight
from likewise.training.recipe.recipe import Recipe

__all__ = ["hold_out_photos", "is_unlabelled", "learns_from_teacher_alone", "read_training_photos"]

FEWEST = 2  # photos on each side


def learns_from_teacher_alone(recipe: Recipe) -> bool:
    """Whether a teacher is set and the loss on the labels has weight 0.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> from likewise.training.setup.unlabelled import learns_from_teacher_alone
        >>> learns_from_teacher_alone(
        ...     recipe_with(Recipe(), ["loss.name=0*softmax", "distill.teacher=sface"])
        ... )
        True
    """
    return recipe.distill.teacher is not None and not has_weight(recipe.loss.name)


def is_unlabelled(manifest: Manifest) -> bool:
    """Whether every photo is its own identity."""
    return len(manifest.identities) == len(manifest)


def read_training_photos(
    data: str | Path,
    root: Path | None = None,
    recipe: Recipe | None = None,
    *,
    format: str | None = None,
) -> Manifest:
    """The photos to train on: labeled, or any photos below a folder if the labels are not needed.

    Args:
        data: see ``read_manifest``.
        root: likewise.
        recipe: decides whether labels are needed.
        format: see ``read_manifest``.

    Raises:
        InputError: the photos cannot be read, or have no identities and the recipe needs them.
    """
    alone = recipe is not None and learns_from_teacher_alone(recipe)
    try:
        manifest = read_manifest(data, root, format=format)
        if not alone or len(manifest.identities) > 1:
            return manifest
        names = pa.array(manifest.names)  # all in one folder: each photo its own identity
        place = manifest.table.schema.get_field_index("identity")
        return replace(manifest, table=manifest.table.set_column(place, "identity", names))
    except InputError:
        folder = Path(data)
        if not alone or not folder.is_dir():
            raise
        photos = PhotoFilter(folder)
        paths = list(walk_photos(folder, photos))
        if not paths:
            raise
        photos.warn()
    table = pa.table({"path": paths, "identity": paths})
    return Manifest(table, folder, alignment=alignment_of_crops(folder, folder))


def hold_out_photos(manifest: Manifest, share: str | int, seed: int) -> tuple[Manifest, Manifest]:
    """Split photos without identities into (train, held out), drawn by ``seed``.

    Args:
        manifest: the photos.
        share: the photos to hold out: a number or a percentage; 0 holds out none.
        seed: the same seed draws the same photos.

    Raises:
        InputError: the share is invalid, or too few photos are left.
    """
    wanted = share_of("val_identities", share, len(manifest))
    if len(manifest) - wanted < FEWEST:
        raise InputError(
            f"val_identities: cannot hold out {wanted} of {len(manifest)} photos; {FEWEST} must "
            "remain: add photos, or hold out 0"
        )
    drawn = np.random.default_rng(seed).permutation(len(manifest))
    return manifest.take(np.sort(drawn[wanted:])), manifest.take(np.sort(drawn[:wanted]))
