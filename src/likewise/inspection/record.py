"""An inspection as plain values: the contents of ``inspect.json`` and the input of ``clean``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.inspection.census import Census
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.findings import Findings
from likewise.machine import describe, versions
from likewise.storage import read_json

__all__ = ["FORMAT", "counts_by_size", "read_inspection", "record"]

FORMAT = "likewise inspection 2"


def record(found: Findings) -> dict[str, Any]:
    """All findings as values for JSON; photos are given by path and by row, from 0."""
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
            "found": [_duplicate(found, duplicate) for duplicate in found.duplicates],
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


def read_inspection(source: Path, manifest: Manifest) -> dict[str, Any]:
    """Read ``inspect.json``, given as a file or as its folder, and check that it fits the set.

    Raises:
        InputError: the file is missing, is not an inspection, or is of another set.
    """
    path = source / "inspect.json" if source.is_dir() else source
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(
            f"{path}: not an inspection, or of another version; make one with: likewise data "
            "inspect --out DIR"
        )
    if values.get("fingerprint") != manifest.fingerprint:
        raise InputError(
            f"{path}: inspection of another set of photos; inspect {manifest.root} first"
        )
    return values


def counts_by_size(sizes: Iterable[int]) -> list[tuple[int, int, int]]:
    """The number of identities with 1, 2, 3–4, 5–8, … photos: (from, to, identities)."""
    values = np.array(list(sizes))
    found, low, high = [], 1, 1
    while len(values) and low <= values.max():
        found.append((low, high, int(((values >= low) & (values <= high)).sum())))
        low, high = high + 1, 2 * high
    return found


def _summary(manifest: Manifest, census: Census) -> dict[str, Any]:
    per_identity = np.bincount(manifest.labels)
    good = census.readable
    sides = census.sizes[good]
    return {
        "fingerprint": manifest.fingerprint,
        "photos": len(manifest),
        "alignment": manifest.alignment,
        "identities": len(manifest.identities),
        "photos_per_identity": {
            "least": int(per_identity.min()),
            "median": float(np.median(per_identity)),
            "mean": float(per_identity.mean()),
            "most": int(per_identity.max()),
            "histogram": counts_by_size(per_identity.tolist()),
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
    """The number of photos of each split, and of identities that two splits share."""
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


def _duplicate(found: Findings, duplicate: Duplicate) -> dict[str, Any]:
    (left, a), (right, b) = found.locate(duplicate.left), found.locate(duplicate.right)
    identities = _identity(left, a), _identity(right, b)
    keep = None
    if found.labels is not None and found.embedded is not None and left is right:
        supported = found.labels.supported_row(
            duplicate, found.vector_of_row, found.settings.false_alarms
        )
        keep = None if supported is None else found.locate(supported)[1]
    return {
        "left": _name(left, a),
        "right": _name(right, b),
        "left_row": a,
        "right_row": b,
        "left_identity": identities[0],
        "right_identity": identities[1],
        "left_split": _split(left, a),
        "right_split": _split(right, b),
        "kind": duplicate.kind,
        "score": round(duplicate.score, 4),
        "across_identities": identities[0] != identities[1],
        "between_sets": left is not right,
        "supported_row": keep if identities[0] != identities[1] else None,
    }


def _pixels(found: Findings) -> dict[str, int]:
    """The number of pixels of each row that has a duplicate; ``clean`` keeps the largest photo."""
    inside = len(found.manifest)
    rows = {row for d in found.duplicates for row in (d.left, d.right) if row < inside}
    return {str(row): int(found.census.sizes[row].prod()) for row in sorted(rows)}


def _duplicate_counts(found: Findings) -> dict[str, int]:
    counts = Counter[str]()
    for duplicate in found.duplicates:
        (left, a), (right, b) = found.locate(duplicate.left), found.locate(duplicate.right)
        counts[duplicate.kind] += 1
        if left is not right:
            counts["between_sets"] += 1
            continue
        same = _identity(left, a) == _identity(right, b)
        counts["within_identities" if same else "across_identities"] += 1
        counts["across_splits"] += _split(left, a) != _split(right, b)
    names = ("exact", "near", "embedding", "within_identities", "across_identities")
    return {name: counts[name] for name in (*names, "across_splits", "between_sets")}


def _labels(found: Findings) -> dict[str, Any] | None:
    if found.labels is None:
        return None
    manifest, names, labels = found.manifest, found.manifest.identities, found.labels
    return {
        "strangers": {key: round(value, 6) for key, value in asdict(labels.impostors).items()},
        "noise": None if labels.noise is None else asdict(labels.noise),
        "mislabels": [
            {
                "path": _name(manifest, doubt.row),
                "row": doubt.row,
                "identity": _identity(manifest, doubt.row),
                "own_score": round(doubt.own, 4),
                "resembles": names[doubt.identity],
                "resembles_score": round(doubt.other, 4),
                "resembles_chance": doubt.p_value,
                "probability": round(doubt.probability, 4),
                "looks_like_another": doubt.elsewhere,
                "undecided_with": (
                    None if doubt.partner is None else _name(manifest, doubt.partner)
                ),
                "undecided_with_row": doubt.partner,
            }
            for doubt in labels.mislabeled
        ],
        "same_person": [
            {
                "left": names[pair.left],
                "right": names[pair.right],
                "score": round(pair.score, 4),
                "chance": pair.p_value,
                "share_false": pair.q_value,
            }
            for pair in labels.same_person
        ],
        "two_people": [
            {
                "identity": names[split.identity],
                "first": [_name(manifest, row) for row in split.first],
                "second": [_name(manifest, row) for row in split.second],
                "score": round(split.score, 4),
                "chance": split.p_value,
            }
            for split in labels.two_people
        ],
    }


def _overlap(found: Findings) -> dict[str, Any] | None:
    if found.overlap is None or found.against is None:
        return None
    names, others = found.manifest.identities, found.against.identities
    return {
        "false_alarms": found.settings.false_alarms,
        "identities": len({pair.right for pair in found.overlap}),
        "names_in_both": len(set(names) & set(others)),
        "found": [
            {
                "left": names[pair.left],
                "right": others[pair.right],
                "score": round(pair.score, 4),
                "chance": pair.p_value,
                "share_false": pair.q_value,
                "same_name": names[pair.left] == others[pair.right],
            }
            for pair in found.overlap
        ],
    }
