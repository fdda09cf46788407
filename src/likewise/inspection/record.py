"""An inspection as plain values: what ``inspect.json`` holds, and what ``clean`` decides by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow.compute as pc

from likewise.data.manifest import Manifest
from likewise.inspection.census import Census
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.inspection import Inspection
from likewise.machine import describe, versions

__all__ = ["FORMAT", "counts_by_size", "record"]

FORMAT = "likewise inspection 2"


def record(found: Inspection) -> dict[str, Any]:
    """Everything found, as JSON holds it; photos by their names, and by their rows from 0."""
    return {
        "format": FORMAT,
        "data": found.manifest.root.name,
        **_summary(found.manifest, found.census),
        "against": (
            None
            if found.against is None or found.against_census is None
            else {
                "data": found.against.root.name,
                **_summary(found.against, found.against_census),
            }
        ),
        "duplicates": {
            "counts": _duplicate_counts(found),
            "embedding_threshold": None if found.copies is None else found.copies.cosine,
            "embedding_pixels": None if found.copies is None else found.copies.pixels,
            "found": [_duplicate(found, double) for double in found.duplicates],
        },
        "pixels": _pixels(found),
        "ability": (
            None
            if found.ability is None
            else {**asdict(found.ability), "sufficient": found.ability.sufficient}
        ),
        "labels": _labels(found),
        "overlap": _overlap(found),
        "notes": found.notes,
        "settings": asdict(found.settings),
        "versions": versions(),
        "machine": describe(),
    }


def counts_by_size(sizes: Iterable[int]) -> list[tuple[int, int, int]]:
    """How many identities have 1, 2, 3–4, 5–8, … photos: (from, to, identities)."""
    values = np.array(list(sizes))
    found, low, high = [], 1, 1
    while len(values) and low <= values.max():
        found.append((low, high, int(((values >= low) & (values <= high)).sum())))
        low, high = high + 1, 2 * high
    return found


def _summary(manifest: Manifest, census: Census) -> dict[str, Any]:
    each = np.bincount(manifest.labels)
    good = census.readable
    sides = census.sizes[good]
    return {
        "fingerprint": manifest.fingerprint,
        "photos": len(manifest),
        "identities": len(manifest.identities),
        "photos_per_identity": {
            "least": int(each.min()),
            "median": float(np.median(each)),
            "mean": float(each.mean()),
            "most": int(each.max()),
            "histogram": counts_by_size(each.tolist()),
        },
        "bytes": int(census.bytes.sum()),
        "sizes": [
            {"width": int(width), "height": int(height), "photos": count}
            for (width, height), count in Counter(map(tuple, sides.tolist())).most_common(20)
        ],
        "shorter_side": _spread(sides.min(axis=1)),
        "formats": dict(Counter(census.formats[row] for row in good.tolist()).most_common()),
        "colours": dict(Counter(census.colours[row] for row in good.tolist()).most_common()),
        "broken": [
            {"path": _name(manifest, row), "row": row, "reason": reason}
            for row, reason in sorted(census.broken.items())
        ],
        "splits": _splits(manifest),
    }


def _spread(values: Any) -> dict[str, int] | None:
    if len(values) == 0:
        return None
    return {
        "least": int(values.min()),
        "median": int(np.median(values)),
        "most": int(values.max()),
    }


def _splits(manifest: Manifest) -> dict[str, Any] | None:
    """Photos of each split, and the identities that two of them share."""
    if "split" not in manifest.table.column_names:
        return None
    parts = {name: manifest.split(name) for name in pc.unique(manifest.table["split"]).to_pylist()}
    people = {name: set(part.identities) for name, part in parts.items()}
    return {
        "photos": {name: len(part) for name, part in parts.items()},
        "shared_identities": {
            f"{a} and {b}": len(people[a] & people[b]) for a, b in combinations(sorted(people), 2)
        },
    }


def _name(manifest: Manifest, row: int) -> str:
    return str(manifest.table["path"][row].as_py())


def _identity(manifest: Manifest, row: int) -> str:
    return str(manifest.table["identity"][row].as_py())


def _split(manifest: Manifest, row: int) -> str | None:
    if "split" not in manifest.table.column_names:
        return None
    return str(manifest.table["split"][row].as_py())


def _duplicate(found: Inspection, double: Duplicate) -> dict[str, Any]:
    (left, a), (right, b) = found.place(double.left), found.place(double.right)
    identities = _identity(left, a), _identity(right, b)
    keep = None
    if found.labels is not None and found.embedded is not None and left is right:
        rightful = found.labels.rightful(double, found.place_of, found.settings.false_alarms)
        keep = None if rightful is None else found.place(rightful)[1]
    return {
        "left": _name(left, a),
        "right": _name(right, b),
        "left_row": a,
        "right_row": b,
        "left_identity": identities[0],
        "right_identity": identities[1],
        "left_split": _split(left, a),
        "right_split": _split(right, b),
        "kind": double.kind,
        "score": round(double.score, 4),
        "across_identities": identities[0] != identities[1],
        "between_sets": left is not right,
        "supported_row": keep if identities[0] != identities[1] else None,
    }


def _pixels(found: Inspection) -> dict[str, int]:
    """The pixels of each row that has a double: the larger of two is worth keeping."""
    inside = len(found.manifest)
    rows = {row for d in found.duplicates for row in (d.left, d.right) if row < inside}
    return {str(row): int(found.census.sizes[row].prod()) for row in sorted(rows)}


def _duplicate_counts(found: Inspection) -> dict[str, int]:
    counts = Counter[str]()
    for double in found.duplicates:
        (left, a), (right, b) = found.place(double.left), found.place(double.right)
        counts[double.kind] += 1
        if left is not right:
            counts["between_sets"] += 1
            continue
        same = _identity(left, a) == _identity(right, b)
        counts["within_identities" if same else "across_identities"] += 1
        counts["across_splits"] += _split(left, a) != _split(right, b)
    names = ("exact", "near", "embedding", "within_identities", "across_identities")
    return {name: counts[name] for name in (*names, "across_splits", "between_sets")}


def _labels(found: Inspection) -> dict[str, Any] | None:
    if found.labels is None:
        return None
    manifest, names, doubts = found.manifest, found.manifest.identities, found.labels
    return {
        "strangers": {key: round(value, 6) for key, value in asdict(doubts.strangers).items()},
        "noise": None if doubts.noise is None else asdict(doubts.noise),
        "mislabels": [
            {
                "path": _name(manifest, doubt.row),
                "row": doubt.row,
                "identity": _identity(manifest, doubt.row),
                "own_score": round(doubt.own, 4),
                "resembles": names[doubt.identity],
                "resembles_score": round(doubt.other, 4),
                "resembles_chance": doubt.chance,
                "probability": round(doubt.probability, 4),
                "looks_like_another": doubt.elsewhere,
                "undecided_with": (
                    None if doubt.partner is None else _name(manifest, doubt.partner)
                ),
                "undecided_with_row": doubt.partner,
            }
            for doubt in doubts.mislabels
        ],
        "same_person": [
            {
                "left": names[pair.left],
                "right": names[pair.right],
                "score": round(pair.score, 4),
                "chance": pair.chance,
                "share_false": pair.share_false,
            }
            for pair in doubts.merges
        ],
        "two_people": [
            {
                "identity": names[split.identity],
                "first": [_name(manifest, row) for row in split.first],
                "second": [_name(manifest, row) for row in split.second],
                "score": round(split.score, 4),
                "chance": split.chance,
            }
            for split in doubts.splits
        ],
    }


def _overlap(found: Inspection) -> dict[str, Any] | None:
    if found.same_people is None or found.against is None:
        return None
    names, others = found.manifest.identities, found.against.identities
    return {
        "false_alarms": found.settings.false_alarms,
        "identities": len({pair.right for pair in found.same_people}),
        "names_in_both": len(set(names) & set(others)),
        "found": [
            {
                "left": names[pair.left],
                "right": others[pair.right],
                "score": round(pair.score, 4),
                "chance": pair.chance,
                "share_false": pair.share_false,
                "same_name": names[pair.left] == others[pair.right],
            }
            for pair in found.same_people
        ],
    }
