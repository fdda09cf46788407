"""The pictures of an inspection's page: who is shown beside whom, and with what words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from likewise.data.manifest import Manifest
from likewise.evaluation.report.page import thumbnail
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.embedded import EmbeddedSet
from likewise.inspection.inspection import Inspection
from likewise.inspection.mislabels import Mislabel
from likewise.inspection.same_person import SamePerson
from likewise.inspection.two_people import TwoPeople

__all__ = ["Exhibit", "Picture", "doubles", "mislabel_exhibits", "pair_exhibits", "split_exhibits"]

EACH = 2  # photos that stand for an identity


@dataclass(frozen=True)
class Picture:
    """A photo on the page: its data URI, its name, and its part in the exhibit."""

    source: str
    name: str
    role: str = ""


@dataclass(frozen=True)
class Exhibit:
    """Some photos side by side.

    Args:
        pictures: from left to right.
        value: the number that counts.
        lines: what is said below.
    """

    pictures: list[Picture]
    value: str
    lines: list[str]


def doubles(found: Inspection, chosen: Sequence[Duplicate]) -> list[Exhibit]:
    """Both photos of each double."""
    exhibits = []
    kinds = {"exact": "same pixels", "near": "same picture", "embedding": "same shot"}
    for double in chosen:
        places = [found.place(row) for row in (double.left, double.right)]
        pictures = [_picture(manifest, row) for manifest, row in places]
        lines = [picture.name for picture in pictures]
        exhibits.append(Exhibit(pictures, f"{double.score:.3f} {kinds[double.kind]}", lines))
    return exhibits


def mislabel_exhibits(
    manifest: Manifest, embedded: EmbeddedSet, chosen: Sequence[Mislabel]
) -> list[Exhibit]:
    """The photo in doubt between one typical of its label and one of whom it resembles."""
    names = manifest.identities
    labels = manifest.labels
    exhibits = []
    for doubt in chosen:
        claimed = int(labels[doubt.row])
        pictures = [
            *_typical(manifest, embedded, claimed, 1, but=doubt.row, role="filed under"),
            _picture(manifest, doubt.row, "in doubt"),
            *_typical(manifest, embedded, doubt.identity, 1, but=-1, role="resembles"),
        ]
        lines = [
            f"{manifest.table['path'][doubt.row].as_py()}",
            f"{doubt.own:.2f} like {names[claimed]}",
            f"{doubt.other:.2f} like {names[doubt.identity]}",
        ]
        if doubt.partner is not None:
            lines.append("or else the other photo is wrong")
        exhibits.append(Exhibit(pictures, f"{min(doubt.probability, 0.999):.1%} wrong", lines))
    return exhibits


def pair_exhibits(
    manifest: Manifest,
    embedded: EmbeddedSet,
    others: Manifest,
    others_embedded: EmbeddedSet,
    chosen: Sequence[SamePerson],
) -> list[Exhibit]:
    """Two typical photos of each of two identities."""
    return [
        Exhibit(
            [
                *_typical(manifest, embedded, pair.left, EACH),
                *_typical(others, others_embedded, pair.right, EACH),
            ],
            f"{pair.score:.2f} alike, chance {pair.chance:.1g}",
            [manifest.identities[pair.left], others.identities[pair.right]],
        )
        for pair in chosen
    ]


def split_exhibits(manifest: Manifest, chosen: Sequence[TwoPeople]) -> list[Exhibit]:
    """Two photos of each group."""
    return [
        Exhibit(
            [
                _picture(manifest, row)
                for group in (split.first, split.second)
                for row in group[:EACH]
            ],
            f"{split.score:.2f} alike",
            [
                manifest.identities[split.identity],
                f"{len(split.first):,} photos and {len(split.second):,}",
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
