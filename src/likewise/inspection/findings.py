"""The settings of an inspection, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from likewise.arguments import check_number
from likewise.data.manifest import Manifest
from likewise.inspection.ability import Ability
from likewise.inspection.census import Census
from likewise.inspection.copy_thresholds import CopyThresholds
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.embedded_set import EmbeddedSet
from likewise.inspection.labels import LabelFindings
from likewise.inspection.same_person import SamePerson

__all__ = ["Findings", "InspectSettings"]


@dataclass(frozen=True)
class InspectSettings:
    """Thresholds and limits of an inspection.

    Args:
        headers_only: read only sizes and formats; decode nothing and search for no duplicates.
        false_alarms: significance level: the probability that an identity without a match in the
            other set is matched all the same, or that a photo is matched to a wrong identity.
        share_false: false discovery rate among the pairs of identities reported as one person.
        same_pixels: correlation of the thumbnails at and above which two photos are
            near-duplicates.
        same_shot: correlation of the thumbnails that duplicates by embedding must reach as well;
            if None, the value that nine of ten synthetic copies reach.
        noise_error: the share of impostor scores above the threshold of ``label_noise``.
        search_limit: the most photos whose embeddings are compared pair by pair for duplicates.
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
            check_number(name, getattr(self, name), above=0, below=0.5)
        check_number("same_pixels", self.same_pixels, above=0, most=1)
        if self.same_shot is not None:
            check_number("same_shot", self.same_shot, above=0, most=1)


@dataclass(frozen=True, repr=False)
class Findings:
    """The findings in a set of photos.

    Args:
        manifest: the set.
        census: size, format and digests of each photo.
        against: the other set, if one was given; its rows follow those of ``manifest`` in
            ``duplicates``.
        against_census: the census of ``against``.
        duplicates: duplicate photos, within the set or between the two sets.
        copies: the thresholds for duplicates by embedding; None if there was no search for them.
        ability: how well the embeddings separate the identities of this set; None if that could
            not be measured. Where it is not sufficient, nothing was concluded from embeddings.
        embedded: the set with its embeddings, if there were any.
        against_embedded: ``against`` with its embeddings.
        labels: findings about labels; None without embeddings, or with too few identities.
        overlap: identities that are in both sets under any name; None if there was no search.
        notes: checks that were left out, and why.
        settings: the thresholds and limits used.
    """

    manifest: Manifest
    census: Census
    against: Manifest | None
    against_census: Census | None
    duplicates: list[Duplicate]
    copies: CopyThresholds | None
    ability: Ability | None
    embedded: EmbeddedSet | None
    against_embedded: EmbeddedSet | None
    labels: LabelFindings | None
    overlap: list[SamePerson] | None
    notes: list[str] = field(default_factory=list)
    settings: InspectSettings = field(default_factory=InspectSettings)

    @cached_property
    def vector_of_row(self) -> dict[int, int]:
        """The index of each photo's embedding, by the photo's row."""
        return {} if self.embedded is None else self.embedded.vector_of_row()

    def locate(self, row: int) -> tuple[Manifest, int]:
        """The set that a row in ``duplicates`` belongs to, and its row there."""
        if row < len(self.manifest) or self.against is None:
            return self.manifest, row
        return self.against, row - len(self.manifest)
