"""A manifest of what is worth keeping, by fixed rules from an inspection. No photo is touched."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from likewise.data.formats.table import write_table
from likewise.data.manifest import Manifest
from likewise.data.splits import without_places
from likewise.errors import InputError, one_of
from likewise.inspection.groups import Groups
from likewise.inspection.record import FORMAT
from likewise.storage import new_file, read_json

__all__ = ["Change", "CleanRules", "Cleaned", "clean_manifest", "read_inspection", "write_clean"]

KINDS = ("broken", "duplicates", "mislabelled")
# A double that the test also has is taken out of training: what is measured stays as it was.
SPLIT_ORDER = {"test": 0, "val": 1, "train": 2, None: 3}


@dataclass(frozen=True)
class CleanRules:
    """What is dropped, and from which evidence on.

    Args:
        drop: of ``broken``, ``duplicates``, ``mislabelled``.
        merge: give two names of one person one name.
        mislabel_probability: from which on a label counts as wrong.
        merge_share_false: q-value up to which two names are merged.
    """

    drop: tuple[str, ...] = ("broken", "duplicates")
    merge: bool = False
    mislabel_probability: float = 0.9
    merge_share_false: float = 0.01

    def __post_init__(self) -> None:
        for kind in self.drop:
            one_of("drop", kind, KINDS)
        for name in ("mislabel_probability", "merge_share_false"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name}: must be above 0, at most 1; got {getattr(self, name)}")


@dataclass(frozen=True)
class Change:
    """One photo that is dropped, or gets another identity.

    Args:
        path: the photo.
        identity: whom it was filed under.
        action: ``drop`` or ``merge``.
        reason: why, in a word or two.
        evidence: the score or probability that decided; empty for a broken photo.
        other: the photo that is kept instead, or that it was compared with.
        other_identity: whom that shows, or the name that it is merged into.
    """

    path: str
    identity: str
    action: str
    reason: str
    evidence: float | None
    other: str = ""
    other_identity: str = ""


@dataclass(frozen=True)
class Cleaned:
    """The photos that stay, and what changed.

    Args:
        manifest: what is kept, under the identities that it has now.
        changes: a row for each photo that is dropped or renamed, in the order of the set.
    """

    manifest: Manifest
    changes: list[Change]

    @property
    def counts(self) -> dict[str, int]:
        """How many photos changed for each reason."""
        return dict(Counter(f"{change.action}: {change.reason}" for change in self.changes))


def read_inspection(source: Path, manifest: Manifest) -> dict[str, Any]:
    """Read ``inspect.json`` (or that of a folder) for the set that it was made of.

    Raises:
        InputError: it is missing, no inspection, or of another set.
    """
    path = source / "inspect.json" if source.is_dir() else source
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(
            f"{path}: no inspection, or of another version; make one with: likewise data inspect "
            "--out DIR"
        )
    if values.get("fingerprint") != manifest.fingerprint:
        raise InputError(f"{path}: of another set of photos than {manifest.root}; inspect this one")
    return values


def clean_manifest(
    manifest: Manifest, inspection: Mapping[str, Any], rules: CleanRules | None = None
) -> Cleaned:
    """Decide for each photo whether it stays, and under which name.

    Broken photos go. Of doubles within an identity one stays: of the split that comes first
    (test, val, train), with the most pixels, then the first by name. Of doubles across identities
    that stays whose identity the embeddings support; where they support neither, all go. Photos
    whose label is probably wrong go; of two that disagree both. Names that are one person get
    the name with most photos, then the first by name; but not if a photo of the one that is
    probably the other's explains it.

    Args:
        manifest: the set.
        inspection: what ``read_inspection`` gives, or ``record``.
        rules: what is dropped, and from which evidence on.

    Raises:
        InputError: wrong labels or names are asked for, and the inspection had no embeddings; or
            nothing would be left.
    """
    chosen = rules or CleanRules()
    needs_labels = "mislabelled" in chosen.drop or chosen.merge
    if needs_labels and inspection["labels"] is None:
        judged = inspection.get("ability")
        again = "--model" if judged is None else "a better model: this one cannot judge this set"
        raise InputError(
            "drop mislabelled and merge need an inspection that judged labels: inspect again "
            f"with {again}"
        )
    names = manifest.names
    people = manifest.table["identity"].cast(pa.string()).to_pylist()
    renamed = _merged(people, inspection, chosen) if chosen.merge else {}
    identities = [renamed.get(person, (person, 0.0))[0] for person in people]
    dropped: dict[int, Change] = {}
    if "broken" in chosen.drop:
        for photo in inspection["broken"]:
            row = photo["row"]
            dropped[row] = Change(names[row], people[row], "drop", "broken", None)
    if "mislabelled" in chosen.drop:
        for row, change in _mislabelled(inspection, names, people, chosen.mislabel_probability):
            dropped.setdefault(row, change)
    if "duplicates" in chosen.drop:
        for row, change in _doubled(manifest, inspection, names, people, identities, dropped):
            dropped.setdefault(row, change)
    kept = np.setdiff1d(np.arange(len(names)), np.array(list(dropped), np.int64))
    if len(kept) == 0:
        raise InputError("clean: nothing would be left")
    changes = [
        dropped[row]
        if row in dropped
        else Change(
            names[row], people[row], "merge", "one person, two names",
            renamed[people[row]][1], other_identity=identities[row],
        )
        for row in range(len(names))
        if row in dropped or people[row] in renamed
    ]  # fmt: skip
    place = manifest.table.column_names.index("identity")
    table = manifest.table.set_column(place, "identity", pa.array(identities, pa.string()))
    return Cleaned(replace(manifest, table=table).take(kept), changes)


def write_clean(cleaned: Cleaned, path: Path) -> Path:
    """Write the manifest, and ``NAME.changes.csv`` beside it; returns the latter."""
    write_table(without_places(cleaned.manifest), path)
    changes = path.with_name(f"{path.stem}.changes.csv")
    columns = {
        "path": pa.string(), "identity": pa.string(), "action": pa.string(),
        "reason": pa.string(), "evidence": pa.float64(), "other": pa.string(),
        "other_identity": pa.string(),
    }  # fmt: skip
    rows = {
        name: pa.array([getattr(change, name) for change in cleaned.changes], kind)
        for name, kind in columns.items()
    }
    with new_file(changes) as temporary:
        pyarrow.csv.write_csv(pa.table(rows), temporary)
    return changes


def _mislabelled(
    inspection: Mapping[str, Any], names: list[str], people: list[str], at_least: float
) -> Iterable[tuple[int, Change]]:
    for doubt in inspection["labels"]["mislabels"]:
        if doubt["probability"] < at_least:
            continue
        reason = "looks like another" if doubt["looks_like_another"] else "unlike its identity"
        pair = [doubt["row"], doubt["undecided_with_row"]]
        for row, other in (pair, pair[::-1]):
            if row is None:
                continue
            yield row, Change(
                names[row], people[row], "drop",
                reason if other is None else "two photos disagree",
                doubt["probability"], "" if other is None else names[other],
                doubt["resembles"] if other is None else "",
            )  # fmt: skip


def _doubled(
    manifest: Manifest,
    inspection: Mapping[str, Any],
    names: list[str],
    people: list[str],
    identities: list[str],
    gone: Mapping[int, Change],
) -> Iterable[tuple[int, Change]]:
    """What goes of each group of doubles; those that go already are no doubles any more."""
    groups = Groups()
    evidence: dict[int, float] = {}
    supported: dict[int, int] = Counter()
    for double in inspection["duplicates"]["found"]:
        if double["between_sets"]:
            continue
        left, right = double["left_row"], double["right_row"]
        if left in gone or right in gone:
            continue
        groups.join(left, right)
        for row in (left, right):
            evidence[row] = max(evidence.get(row, 0.0), double["score"])
        if double["supported_row"] is not None:
            supported[double["supported_row"]] += 1
    splits = manifest.table["split"].to_pylist() if "split" in manifest.table.column_names else None
    pixels = inspection["pixels"]

    def order(row: int) -> tuple[int, int, str, int]:
        split = None if splits is None else splits[row]
        return (SPLIT_ORDER[split], -pixels.get(str(row), 0), names[row], row)

    for rows in groups.all():
        whose = {identities[row] for row in rows}
        reason, candidates = "double within an identity", rows
        if len(whose) > 1:
            reason = "double across identities"
            backed = {identities[row] for row in rows if supported.get(row)}
            candidates = (
                [row for row in rows if identities[row] in backed] if len(backed) == 1 else []
            )
        kept = min(candidates, key=order) if candidates else None
        for row in rows:
            if row == kept:
                continue
            other = kept if kept is not None else next(r for r in rows if r != row)
            yield row, Change(
                names[row], people[row], "drop", reason, evidence[row], names[other], people[other]
            )  # fmt: skip


def _merged(
    people: list[str], inspection: Mapping[str, Any], rules: CleanRules
) -> dict[str, tuple[str, float]]:
    """The new name, and the least sure q-value behind it, of each name that loses its own."""
    photos = Counter(people)
    groups, worst = Groups(), defaultdict[str, float](float)
    names = sorted(photos)
    number = {name: n for n, name in enumerate(names)}
    misfiled = {
        frozenset((doubt["identity"], doubt["resembles"]))
        for doubt in inspection["labels"]["mislabels"]
        if doubt["looks_like_another"] and doubt["probability"] >= rules.mislabel_probability
    }
    for pair in inspection["labels"]["same_person"]:
        if frozenset((pair["left"], pair["right"])) in misfiled:
            continue  # one photo in the wrong place makes two people alike
        if pair["share_false"] <= rules.merge_share_false:
            groups.join(number[pair["left"]], number[pair["right"]])
            for name in (pair["left"], pair["right"]):
                worst[name] = max(worst[name], pair["share_false"])
    found = {}
    for group in groups.all():
        chosen = min((names[n] for n in group), key=lambda name: (-photos[name], name))
        for n in group:
            if names[n] != chosen:
                found[names[n]] = (chosen, worst[names[n]])
    return found
