"""The inspection of a set: all that was found, and how it was looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from likewise.data.embeddings import Embeddings, require_same_embedder
from likewise.data.manifest import Manifest
from likewise.distances.resolution import all_alike, mean_cosine
from likewise.errors import InputError, LikewiseError
from likewise.inspection.ability import Ability, CannotJudge
from likewise.inspection.census import Census, joined, take_census
from likewise.inspection.copies import CopyLines, lines_from_copies, threshold_from_doubles
from likewise.inspection.duplicates import (
    Duplicate,
    embedding_duplicates,
    exact_duplicates,
    near_duplicates,
)
from likewise.inspection.embedded import EmbeddedSet, of_rows, with_embeddings
from likewise.inspection.labels import LabelFindings, judge_labels
from likewise.inspection.same_person import SamePerson, overlap
from likewise.models.embedder import Embedder

__all__ = ["InspectSettings", "Inspection", "inspect_photos"]


@dataclass(frozen=True)
class InspectSettings:
    """Where lines are drawn.

    Args:
        headers_only: read sizes and formats alone; nothing is decoded, no doubles are looked for.
        false_alarms: the chance at which somebody is still called a person of the other set, or a
            photo somebody else's.
        share_false: of the names in one set that are taken for one person, the part that may be
            two.
        same_pixels: the correlation of miniatures from which on two photos are one shot.
        same_shot: the correlation of miniatures below which embeddings that agree are of two
            shots; what nine of ten copies reach if None.
        noise_error: the part of strangers' photos that counts as explained; see ``label_noise``.
        search_limit: photos up to which embeddings of all are compared with all for doubles.
    """

    headers_only: bool = False
    false_alarms: float = 0.01
    share_false: float = 0.1
    same_pixels: float = 0.95
    same_shot: float | None = None
    noise_error: float = 0.05
    search_limit: int = 500_000

    def __post_init__(self) -> None:
        for name in ("false_alarms", "share_false", "noise_error"):
            if not 0 < getattr(self, name) < 0.5:
                raise InputError(f"{name}: must be between 0 and 0.5; got {getattr(self, name)}")
        for name in ("same_pixels", "same_shot"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise InputError(f"{name}: must be above 0, at most 1; got {value}")


@dataclass(frozen=True)
class Inspection:
    """What was found in a set of photos.

    Args:
        manifest: the set.
        census: what each photo is.
        against: the other set, if there was one; its rows follow those of ``manifest`` in
            ``duplicates``.
        against_census: likewise.
        duplicates: photos that are there twice, within the set or in both.
        copies: from which cosine and which likeness of pixels on two photos were called a double
            by embedding; None if those were not looked for.
        ability: how well the embeddings tell the people of this set apart; None if that could not
            be measured. Where it is not sufficient, nothing was concluded from embeddings.
        embedded: the set with its embeddings, if there were any.
        against_embedded: likewise.
        labels: doubts about labels, if there were embeddings and identities enough.
        same_people: people of both sets under whatever names; None if not looked for.
        notes: what was left out, and why.
        settings: where the lines were drawn.
    """

    manifest: Manifest
    census: Census
    against: Manifest | None
    against_census: Census | None
    duplicates: list[Duplicate]
    copies: CopyLines | None
    ability: Ability | None
    embedded: EmbeddedSet | None
    against_embedded: EmbeddedSet | None
    labels: LabelFindings | None
    same_people: list[SamePerson] | None
    notes: list[str] = field(default_factory=list)
    settings: InspectSettings = field(default_factory=InspectSettings)

    @cached_property
    def place_of(self) -> dict[int, int]:
        """Where among the vectors each photo is."""
        return {} if self.embedded is None else self.embedded.place_of()

    def place(self, row: int) -> tuple[Manifest, int]:
        """The set and the row in it of a photo that a double names."""
        if row < len(self.manifest) or self.against is None:
            return self.manifest, row
        return self.against, row - len(self.manifest)


def inspect_photos(
    manifest: Manifest,
    embeddings: Embeddings | None = None,
    *,
    against: Manifest | None = None,
    against_embeddings: Embeddings | None = None,
    embedder: Embedder | None = None,
    settings: InspectSettings | None = None,
) -> Inspection:
    """Look at a set of labelled photos, and tell what is in it.

    Without embeddings it counts, decodes, and finds doubles by their pixels. With them it also
    doubts labels, finds doubles by likeness, and finds people of both sets; but first it asks by
    the set's own labels whether they can tell these people apart, and if not, does none of this.

    Args:
        manifest: the photos.
        embeddings: of these photos; made with ``embedder`` if None and that is given.
        against: another set, such as the test photos of a training set.
        against_embeddings: of those.
        embedder: makes the embeddings that are not given, and the copies that tell from which
            cosine on two photos are doubles.
        settings: where the lines are drawn.

    Raises:
        InputError: the set is empty, embeddings do not match the photos, or no person of the
            other set can be looked for without embeddings of it.

    Example:
        >>> from likewise.data.formats import read_manifest
        >>> from likewise.inspection import inspect_photos
        >>> found = inspect_photos(read_manifest(photos))
        >>> len(found.census), len(found.census.broken), found.labels is None
        (12, 0, True)
    """
    lines = settings or InspectSettings()
    for found in (manifest, against):
        if found is not None and len(found) == 0:
            raise InputError(f"{found.root}: there are no photos to be inspected")
    notes: list[str] = []
    census = take_census(manifest, headers_only=lines.headers_only)
    others = None
    if against is not None:
        others = take_census(against, headers_only=lines.headers_only)
    both = census if others is None else joined(census, others)
    if lines.headers_only:
        notes.append("only headers were read: damage behind them goes unseen, and no doubles")
    exact = exact_duplicates(both)
    near = near_duplicates(both, exact, likeness=lines.same_pixels)
    duplicates, copies = exact + near, None
    embedded = _embedded(manifest, census, embeddings, embedder)
    against_embedded = None
    if against is not None and others is not None:
        against_embedded = _embedded(against, others, against_embeddings, embedder)
        _require_alike(embeddings, against_embeddings, embedder)
    labels = ability = same = None
    if embedded is not None:
        labels, ability = _labels(embedded, lines, notes)
    usable = embedded is not None and (
        _tells_apart(embedded, notes) if ability is None else ability.sufficient
    )
    if embedded is not None and usable:
        copies = _copy_lines(manifest, census, embedded, embedder, near, lines, notes)
        if copies is not None:
            sets = [embedded] if against_embedded is None else [embedded, against_embedded]
            duplicates = duplicates + _by_embedding(
                sets, len(manifest), both, duplicates, copies, lines, notes
            )
        if against_embedded is not None:
            same = _overlap(embedded, against_embedded, lines, notes)
    if against is not None:  # what is twice in the other set is its own inspection's affair
        duplicates = [d for d in duplicates if d.left < len(manifest)]
    return Inspection(
        manifest, census, against, others, duplicates, copies, ability, embedded,
        against_embedded, labels, same, notes, lines,
    )  # fmt: skip


def _embedded(
    manifest: Manifest, census: Census, given: Embeddings | None, embedder: Embedder | None
) -> EmbeddedSet | None:
    if given is not None:
        return with_embeddings(manifest, census, given)
    if embedder is None:
        return None
    # By row, not by name: a photo that is listed twice is to be found as its own double.
    vectors, read, _ = embedder.embed_rows(manifest, slice(0, len(manifest)), on_bad_image="skip")
    if not read:
        raise LikewiseError(f"{manifest.root}: none of the {len(manifest)} photos can be read")
    for row in np.setdiff1d(census.readable, read).tolist():
        census.broken[row] = "cannot be decoded"  # with headers alone, damage shows here first
    good = np.isin(read, census.readable)
    return of_rows(manifest, vectors[good], np.array(read, np.int64)[good])


def _require_alike(
    left: Embeddings | None, right: Embeddings | None, embedder: Embedder | None
) -> None:
    prints = [e.fingerprint for e in (left, right) if e is not None]
    if embedder is not None:
        prints.append(embedder.fingerprint)
    for other in prints[1:]:
        require_same_embedder(prints[0], other, "embeddings")


def _copy_lines(
    manifest: Manifest,
    census: Census,
    embedded: EmbeddedSet,
    embedder: Embedder | None,
    near: list[Duplicate],
    lines: InspectSettings,
    notes: list[str],
) -> CopyLines | None:
    if census.grey is None:
        return None
    found = lines_from_copies(manifest, census.grey, embedded.rows, embedder)
    if found is None:
        return None
    cosine, pixels = found
    if embedder is None:
        cosine = threshold_from_doubles(embedded.vectors, embedded.place_of(), near)
    if cosine is None:
        notes.append(
            "doubles by embedding were not looked for: without a model (--model) from which "
            "cosine on two photos are one shot is learnt from ten doubles of pixels at least"
        )
        return None
    return CopyLines(cosine, pixels if lines.same_shot is None else lines.same_shot)


def _by_embedding(
    sets: list[EmbeddedSet],
    offset: int,
    both: Census,
    known: list[Duplicate],
    copies: CopyLines,
    lines: InspectSettings,
    notes: list[str],
) -> list[Duplicate]:
    vectors = np.concatenate([found.vectors for found in sets])
    rows = np.concatenate([found.rows + number * offset for number, found in enumerate(sets)])
    if len(rows) > lines.search_limit:
        notes.append(
            f"doubles by embedding were not looked for: {len(rows):,} photos, and all are "
            f"compared with all up to {lines.search_limit:,}"
        )
        return []
    found, more = embedding_duplicates(
        vectors, rows, both, known, threshold=copies.cosine, likeness=copies.pixels
    )
    if more:
        notes.append("more doubles by embedding than could be kept; those with the best scores are")
    return found


def _labels(
    found: EmbeddedSet, lines: InspectSettings, notes: list[str]
) -> tuple[LabelFindings | None, Ability | None]:
    try:
        labels = judge_labels(
            found,
            false_alarms=lines.false_alarms,
            share_false=lines.share_false,
            noise_error=lines.noise_error,
        )
    except CannotJudge as error:
        return None, error.ability  # told by ``sentences``
    except InputError as error:
        notes.append(f"labels were not judged: {error}")
        return None, None
    return labels, labels.ability


def _tells_apart(found: EmbeddedSet, notes: list[str]) -> bool:
    """Whether the embeddings differ at all: what can be asked of a set with too few people."""
    if not all_alike(mean_cosine(found.vectors)):
        return True
    notes.append(
        "the model answers all photos alike, closer than float32 can tell apart: nothing was "
        "concluded from embeddings; take a better model"
    )
    return False


def _overlap(
    left: EmbeddedSet, right: EmbeddedSet, lines: InspectSettings, notes: list[str]
) -> list[SamePerson] | None:
    if left.vectors.shape[1] != right.vectors.shape[1]:
        raise InputError(
            f"embeddings: {left.vectors.shape[1]} numbers in one set, "
            f"{right.vectors.shape[1]} in the other; they are of two models"
        )
    try:
        return overlap(left.people, right.people, lines.false_alarms)
    except InputError as error:
        notes.append(f"people of both sets were not looked for: {error}")
        return None
