"""The example photos on the page of an inspection, with their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from likewise.data.manifest import Manifest
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.embedded_set import EmbeddedSet
from likewise.inspection.findings import Findings
from likewise.inspection.mislabeled import MislabeledPhoto
from likewise.inspection.same_person import SamePerson
from likewise.inspection.two_people import TwoPeople
from likewise.pages.pictures import thumbnail

__all__ = [
    "Example",
    "Picture",
    "duplicate_examples",
    "mislabeled_examples",
    "pair_examples",
    "two_people_examples",
]

EACH = 2  # photos shown of an identity


@dataclass(frozen=True)
class Picture:
    """A photo on the page: its data URI, its path, and its role in the example."""

    source: str
    name: str
    role: str = ""


@dataclass(frozen=True)
class Example:
    """Photos shown side by side.

    Args:
        pictures: from left to right.
        value: the score or probability.
        lines: the caption.
    """

    pictures: list[Picture]
    value: str
    lines: list[str]


def duplicate_examples(found: Findings, chosen: Sequence[Duplicate]) -> list[Example]:
    """Both photos of each duplicate."""
    examples = []
    kinds = {"exact": "same pixels", "near": "near-duplicate", "embedding": "by embedding"}
    for duplicate in chosen:
        photos = [found.locate(row) for row in (duplicate.left, duplicate.right)]
        pictures = [_picture(manifest, row) for manifest, row in photos]
        lines = [picture.name for picture in pictures]
        examples.append(Example(pictures, f"{duplicate.score:.3f} {kinds[duplicate.kind]}", lines))
    return examples


def mislabeled_examples(
    manifest: Manifest, embedded: EmbeddedSet, chosen: Sequence[MislabeledPhoto]
) -> list[Example]:
    """The photo in doubt, between a typical photo of its label and one of the similar identity."""
    names = manifest.identities
    labels = manifest.labels
    examples = []
    for doubt in chosen:
        claimed = int(labels[doubt.row])
        pictures = [
            *_typical(manifest, embedded, claimed, 1, but=doubt.row, role="labeled as"),
            _picture(manifest, doubt.row, "in doubt"),
            *_typical(manifest, embedded, doubt.identity, 1, but=-1, role="resembles"),
        ]
        lines = [
            f"{manifest.table['path'][doubt.row].as_py()}",
            f"score {doubt.own:.2f} with {names[claimed]}",
            f"score {doubt.other:.2f} with {names[doubt.identity]}",
        ]
        if doubt.partner is not None:
            lines.append("or the other photo is mislabeled")
        probability = min(doubt.probability, 0.999)
        examples.append(Example(pictures, f"mislabeled: {probability:.1%}", lines))
    return examples


def pair_examples(
    manifest: Manifest,
    embedded: EmbeddedSet,
    others: Manifest,
    others_embedded: EmbeddedSet,
    chosen: Sequence[SamePerson],
) -> list[Example]:
    """Two typical photos of each of two identities."""
    return [
        Example(
            [
                *_typical(manifest, embedded, pair.left, EACH),
                *_typical(others, others_embedded, pair.right, EACH),
            ],
            f"score {pair.score:.2f}, p-value {pair.p_value:.1g}",
            [manifest.identities[pair.left], others.identities[pair.right]],
        )
        for pair in chosen
    ]


def two_people_examples(manifest: Manifest, chosen: Sequence[TwoPeople]) -> list[Example]:
    """Two photos of each of the two groups."""
    return [
        Example(
            [
                _picture(manifest, row)
                for group in (split.first, split.second)
                for row in group[:EACH]
            ],
            f"score {split.score:.2f}",
            [
                manifest.identities[split.identity],
                f"{len(split.first):,} and {len(split.second):,} photos",
            ],
        )
        for split in chosen
    ]


def _typical(
    manifest: Manifest,
    embedded: EmbeddedSet,
    identity: int,
    count: int,
    *,
    but: int = -1,
    role: str = "",
) -> list[Picture]:
    rows = embedded.typical(identity, count, but)
    return [_picture(manifest, row, role) for row in rows]


def _picture(manifest: Manifest, row: int, role: str = "") -> Picture:
    name = str(manifest.table["path"][row].as_py())
    return Picture(thumbnail(manifest.photo(row)), name, role)
