"""``--detect``: the photos of a command aligned first, or a notice that they are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from likewise.cli.output import note

if TYPE_CHECKING:
    from likewise.data.images import BadImage
    from likewise.data.manifest import Manifest
    from likewise.data.preprocess import Preprocess
    from likewise.models.embedder import Embedder

__all__ = ["align_for_model", "align_or_notice"]


def align_for_model(
    embedder: Embedder | None,
    manifest: Manifest,
    detect: bool | None,
    *,
    source: Path,
    policy: str = "skip",
) -> tuple[Manifest, list[BadImage]]:
    """``align_or_notice`` for the photos that a model embeds.

    A model that was trained on photos that were not aligned takes such photos: no notice is given.
    """
    if embedder is None:
        return align_or_notice(manifest, detect, None, source=source, policy=policy)
    trained_unaligned = embedder.identities is not None and embedder.preprocess.alignment is None
    if detect is None and trained_unaligned:
        return manifest, []
    return align_or_notice(manifest, detect, embedder.preprocess, source=source, policy=policy)


def align_or_notice(
    manifest: Manifest,
    detect: bool | None,
    preprocess: Preprocess | None,
    *,
    source: Path,
    policy: str = "skip",
    processes: int | None = None,
    quiet: bool = False,
) -> tuple[Manifest, list[BadImage]]:
    """Align the photos if --detect is given; without it, notice on stderr if they are not aligned.

    Args:
        manifest: the photos.
        detect: the value of --detect.
        preprocess: of the model; names the template, and gives the size.
        source: the photos as the user named them.
        policy: the value of --on-bad-image.
        processes: that align at the same time; None: as many as pay.
        quiet: say nothing of what came of the photos: another process has done so.

    Returns:
        The photos to go on with, and those that were left out: without a face, or broken.

    Raises:
        BadImage: the first broken photo, under ``refuse``.
        MissingExtra: --detect without the extra ``faces``.
        LikewiseError: no photo has a face.
    """
    rank_zero = os.environ.get("RANK", "0") == "0"
    if not detect:
        if detect is None and rank_zero:
            from likewise.faces.aligned_set.notice import alignment_notice

            notice = alignment_notice(manifest, preprocess, source=str(source))
            if notice is not None:
                note(f"notice: {notice}")
        return manifest, []
    from likewise.faces.aligned_set.cached import aligned
    from likewise.faces.aligned_set.settings import AlignSettings
    from likewise.faces.alignment.templates import template_named

    template, least = "arcface", 0
    if preprocess is not None:
        template = preprocess.alignment or template
        least = max(preprocess.height, preprocess.width)
    size = max(template_named(template).side, least)
    found, report = aligned(
        manifest, AlignSettings(template, size), processes=processes, on_bad_image=policy
    )
    if rank_zero and not quiet:
        for line in report.lines():
            note(f"{source}: {line}")
    return found, report.left_out
