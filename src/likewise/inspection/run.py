"""Running an inspection: every check in order, each only where its input allows it."""

from __future__ import annotations

import numpy as np

from likewise.data.alignment import warn_of_two_alignments
from likewise.data.embeddings import Embeddings, require_same_embedder
from likewise.data.manifest import Manifest
from likewise.distances.resolution import indistinguishable, mean_cosine
from likewise.errors import InputError, LikewiseError
from likewise.faces.aligned_set.notice import alignment_notice
from likewise.inspection.ability import Ability, ModelTooWeak
from likewise.inspection.census import Census, concatenated, take_census
from likewise.inspection.copy_thresholds import (
    CopyThresholds,
    threshold_from_duplicates,
    thresholds_from_copies,
)
from likewise.inspection.duplicates import (
    Duplicate,
    embedding_duplicates,
    exact_duplicates,
    near_duplicates,
)
from likewise.inspection.embedded_set import EmbeddedSet, embedded_rows, match_embeddings
from likewise.inspection.inspection import Inspection, InspectSettings
from likewise.inspection.labels import LabelFindings, check_labels
from likewise.inspection.same_person import SamePerson, identity_overlap
from likewise.models.embedder import Embedder

__all__ = ["inspect_photos"]


def inspect_photos(
    manifest: Manifest,
    embeddings: Embeddings | None = None,
    *,
    against: Manifest | None = None,
    against_embeddings: Embeddings | None = None,
    embedder: Embedder | None = None,
    settings: InspectSettings | None = None,
    check_alignment: bool = True,
) -> Inspection:
    """Inspect a set of labeled photos.

    Without embeddings, photos are counted and decoded, and duplicates are found by their pixels.
    With embeddings, labels are checked too, duplicates are also found by embedding, and
    identities of both sets are matched. These checks run only if the embeddings separate the
    identities of this set well enough, which is tested first on the set's own labels.

    Args:
        manifest: the photos.
        embeddings: of these photos; computed with ``embedder`` if None and an embedder is given.
        against: another set, such as the test photos of a training set.
        against_embeddings: embeddings of ``against``.
        embedder: computes embeddings that are not given, and those of the synthetic copies from
            which the cosine threshold for duplicates is learned.
        settings: thresholds and limits.
        check_alignment: add a note if the photos hold faces that are not aligned; that is found by
            a sample, and only where the extra ``faces`` is installed.

    Raises:
        InputError: the set is empty, or the embeddings do not match the photos or come from
            different models.

    Example:
        >>> from likewise.data.formats import read_manifest
        >>> from likewise.inspection import inspect_photos
        >>> found = inspect_photos(read_manifest(photos))
        >>> len(found.census), len(found.census.broken), found.labels is None
        (12, 0, True)
    """
    limits = settings or InspectSettings()
    for photos in (manifest, against):
        if photos is not None and len(photos) == 0:
            raise InputError(f"{photos.root}: there are no photos to inspect")
    notes: list[str] = []
    census = take_census(manifest, headers_only=limits.headers_only)
    others = None
    if against is not None:
        others = take_census(against, headers_only=limits.headers_only)
    both = census if others is None else concatenated(census, others)
    if limits.headers_only:
        notes.append(
            "only headers were read: damage behind the header was not detected, and there was no "
            "search for duplicates"
        )
    if check_alignment and not limits.headers_only:
        preprocess = None if embedder is None else embedder.preprocess
        notice = alignment_notice(manifest, preprocess)
        notes += [] if notice is None else [notice]
    exact = exact_duplicates(both)
    near = near_duplicates(both, exact, similarity=limits.same_pixels)
    duplicates, copies = exact + near, None
    embedded = _embedded(manifest, census, embeddings, embedder)
    against_embedded = None
    if against is not None and others is not None:
        against_embedded = _embedded(against, others, against_embeddings, embedder)
        _require_one_embedder(embeddings, against_embeddings, embedder)
    labels = ability = overlap = None
    if embedded is not None:
        labels, ability = _labels(embedded, limits, notes)
    usable = embedded is not None and (
        _not_collapsed(embedded, notes) if ability is None else ability.sufficient
    )
    if embedded is not None and usable:
        copies = _copy_thresholds(manifest, census, embedded, embedder, near, limits, notes)
        if copies is not None:
            sets = [embedded] if against_embedded is None else [embedded, against_embedded]
            duplicates = duplicates + _duplicates_by_embedding(
                sets, len(manifest), both, duplicates, copies, limits, notes
            )
        if against_embedded is not None:
            overlap = _overlap(embedded, against_embedded, limits, notes)
    if against is not None:  # duplicates within the other set belong to an inspection of that set
        duplicates = [d for d in duplicates if d.left < len(manifest)]
    return Inspection(
        manifest, census, against, others, duplicates, copies, ability, embedded,
        against_embedded, labels, overlap, notes, limits,
    )  # fmt: skip


def _embedded(
    manifest: Manifest, census: Census, given: Embeddings | None, embedder: Embedder | None
) -> EmbeddedSet | None:
    if given is not None:
        return match_embeddings(manifest, census, given)
    if embedder is None:
        return None
    # By row, not by path: a photo that is listed twice must be found as its own duplicate.
    found = embedder.embed_rows(manifest, slice(0, len(manifest)), on_bad_image="skip")
    read = np.asarray(found.rows, np.int64)
    if not len(read):
        raise LikewiseError(f"{manifest.root}: none of the {len(manifest)} photos can be read")
    for row in np.setdiff1d(census.readable, read).tolist():
        census.broken[row] = "cannot be decoded"  # with headers_only, nothing was decoded before
    good = np.isin(read, census.readable)
    return embedded_rows(manifest, found.vectors[good], read[good])


def _require_one_embedder(
    left: Embeddings | None, right: Embeddings | None, embedder: Embedder | None
) -> None:
    if left is not None and right is not None:
        warn_of_two_alignments(left.alignment, right.alignment, "embeddings of the two sets")
    prints = [e.fingerprint for e in (left, right) if e is not None]
    if embedder is not None:
        prints.append(embedder.fingerprint)
    for other in prints[1:]:
        require_same_embedder(prints[0], other, "embeddings")


def _copy_thresholds(
    manifest: Manifest,
    census: Census,
    embedded: EmbeddedSet,
    embedder: Embedder | None,
    near: list[Duplicate],
    limits: InspectSettings,
    notes: list[str],
) -> CopyThresholds | None:
    if census.grey is None:
        return None
    found = thresholds_from_copies(manifest, census.grey, embedded.rows, embedder)
    if found is None:
        return None
    cosine, pixels = found
    if embedder is None:
        cosine = threshold_from_duplicates(embedded.vectors, embedded.vector_of_row(), near)
    if cosine is None:
        notes.append(
            "no search for duplicates by embedding: without a model (--model), the cosine "
            "threshold is learned from duplicates found by their pixels, and at least ten of them "
            "are needed"
        )
        return None
    return CopyThresholds(cosine, pixels if limits.same_shot is None else limits.same_shot)


def _duplicates_by_embedding(
    sets: list[EmbeddedSet],
    offset: int,
    both: Census,
    known: list[Duplicate],
    copies: CopyThresholds,
    limits: InspectSettings,
    notes: list[str],
) -> list[Duplicate]:
    vectors = np.concatenate([found.vectors for found in sets])
    rows = np.concatenate([found.rows + number * offset for number, found in enumerate(sets)])
    if len(rows) > limits.search_limit:
        notes.append(
            f"no search for duplicates by embedding: {len(rows):,} photos, and the limit "
            f"(--search-limit) is {limits.search_limit:,}"
        )
        return []
    found, more = embedding_duplicates(
        vectors, rows, both, known, threshold=copies.cosine, similarity=copies.pixels
    )
    if more:
        notes.append("too many duplicates by embedding: only those with the best scores were kept")
    return found


def _labels(
    found: EmbeddedSet, limits: InspectSettings, notes: list[str]
) -> tuple[LabelFindings | None, Ability | None]:
    try:
        labels = check_labels(
            found,
            false_alarms=limits.false_alarms,
            share_false=limits.share_false,
            noise_error=limits.noise_error,
        )
    except ModelTooWeak as error:
        return None, error.ability  # reported by ``summary_lines``
    except InputError as error:
        notes.append(f"labels were not checked: {error}")
        return None, None
    return labels, labels.ability


def _not_collapsed(found: EmbeddedSet, notes: list[str]) -> bool:
    """Whether the embeddings differ at all; the only test with too few identities for others."""
    if not indistinguishable(mean_cosine(found.vectors)):
        return True
    notes.append(
        "the model has collapsed: it gives all photos the same embedding, within the precision of "
        "float32; nothing was concluded from embeddings; use a better model"
    )
    return False


def _overlap(
    left: EmbeddedSet, right: EmbeddedSet, limits: InspectSettings, notes: list[str]
) -> list[SamePerson] | None:
    if left.vectors.shape[1] != right.vectors.shape[1]:
        raise InputError(
            f"embeddings: {left.vectors.shape[1]} dimensions in one set, "
            f"{right.vectors.shape[1]} in the other; embed both sets with one model"
        )
    try:
        return identity_overlap(left.people, right.people, limits.false_alarms)
    except InputError as error:
        notes.append(f"no search for identities that are in both sets: {error}")
        return None
