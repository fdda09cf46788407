"""Cleaning: a manifest of the photos to keep, by fixed rules, from an inspection."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from likewise.arguments import check_number, one_of
from likewise.data.formats.table import write_table
from likewise.data.manifest import Manifest
from likewise.data.splits import without_places
from likewise.errors import InputError
from likewise.storage import new_file

__all__ = ["Change", "CleanRules", "Cleaned", "clean_manifest", "write_clean"]

KINDS = ("broken", "duplicates", "mislabeled")
# Of duplicates in two splits, the test photo stays and the training photo goes.
SPLIT_ORDER = {"test": 0, "val": 1, "train": 2, None: 3}


@dataclass(frozen=True)
class CleanRules:
    """The photos that are dropped, and the evidence required.

    Args:
        drop: of ``broken``, ``duplicates``, ``mislabeled``.
        merge: give two identities that are one person one name.
        mislabel_probability: the least probability at which a photo counts as mislabeled.
        merge_share_false: the largest q-value at which two identities are merged.
    """

    drop: tuple[str, ...] = ("broken", "duplicates")
    merge: bool = False
    mislabel_probability: float = 0.9
    merge_share_false: float = 0.01

    def __post_init__(self) -> None:
        # The spelling of earlier versions is accepted too.
        kinds = tuple("mislabeled" if kind == "mislabelled" else kind for kind in self.drop)
        object.__setattr__(self, "drop", tuple(one_of("drop", kind, KINDS) for kind in kinds))
        for name in ("mislabel_probability", "merge_share_false"):
            check_number(name, getattr(self, name), above=0, most=1)


@dataclass(frozen=True)
class Change:
    """One photo that is dropped or gets another identity.

    Args:
        path: the photo.
        identity: its identity before.
        action: ``drop`` or ``merge``.
        reason: why, in a few words.
        evidence: the score or probability; None for a broken photo.
        other: the photo that is kept instead, or that it was compared with.
        other_identity: the identity of ``other``, or the name that it is merged into.
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
    """The photos that are kept, and the changes.

    Args:
        manifest: the photos that are kept, with their new identities.
        changes: a row for each photo that is dropped or renamed, in the order of the set.
    """

    manifest: Manifest
    changes: list[Change]

    @property
    def counts(self) -> dict[str, int]:
        """The number of changed photos for each reason."""
        return dict(Counter(f"{change.action}: {change.reason}" for change in self.changes))


def clean_manifest(
    manifest: Manifest, inspection: Mapping[str, Any], rules: CleanRules | None = None
) -> Cleaned:
    """Decide for each photo whether it is kept, and under which identity.

    * Broken photos are dropped.
    * Of duplicates within an identity one is kept: by split (test, val, train), then by the
      number of pixels, then by path.
    * Of duplicates across identities, the one whose identity the embeddings support is kept; if
      they support none or several, all are dropped.
    * Photos that are probably mislabeled are dropped; where it is undecided which of two photos
      is mislabeled, both.
    * Identities that are one person are merged under the name with the most photos, then the
      first by name; but not if a mislabeled photo explains their similarity.

    Args:
        manifest: the set.
        inspection: the values of ``read_inspection`` or ``record``.
        rules: the photos that are dropped, and the evidence required.

    Raises:
        InputError: a rule needs label findings, which this inspection does not have; or no photo
            would be kept.
    """
    chosen = rules or CleanRules()
    needs_labels = "mislabeled" in chosen.drop or chosen.merge
    if needs_labels and inspection["labels"] is None:
        ability = inspection.get("ability")
        remedy = "--model" if ability is None else "a better model: this one is too weak"
        raise InputError(
            "drop mislabeled and merge need an inspection that checked labels: inspect again "
            f"with {remedy}"
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
    if "mislabeled" in chosen.drop:
        for row, change in _mislabeled(inspection, names, people, chosen.mislabel_probability):
            dropped.setdefault(row, change)
    if "duplicates" in chosen.drop:
        for row, change in _duplicates(manifest, inspection, names, people, identities, dropped):
            dropped.setdefault(row, change)
    kept = np.setdiff1d(np.arange(len(names)), np.array(list(dropped), np.int64))
    if len(kept) == 0:
        raise InputError("clean: no photo would be kept")
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
    column = manifest.table.column_names.index("identity")
    table = manifest.table.set_column(column, "identity", pa.array(identities, pa.string()))
    return Cleaned(replace(manifest, table=table).take(kept), changes)


def write_clean(cleaned: Cleaned, path: Path) -> Path:
    """Write the manifest, and the changes as ``NAME.changes.csv`` beside it; returns that path."""
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


def _mislabeled(
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


def _duplicates(
    manifest: Manifest,
    inspection: Mapping[str, Any],
    names: list[str],
    people: list[str],
    identities: list[str],
    dropped: Mapping[int, Change],
) -> Iterable[tuple[int, Change]]:
    """The photos to drop from each group of duplicates, after those dropped for other reasons."""
    pairs: list[tuple[int, int]] = []
    evidence: dict[int, float] = {}
    supported: dict[int, int] = Counter()
    for duplicate in inspection["duplicates"]["found"]:
        if duplicate["between_sets"]:
            continue
        left, right = duplicate["left_row"], duplicate["right_row"]
        if left in dropped or right in dropped:
            continue
        pairs.append((left, right))
        for row in (left, right):
            evidence[row] = max(evidence.get(row, 0.0), duplicate["score"])
        if duplicate["supported_row"] is not None:
            supported[duplicate["supported_row"]] += 1
    splits = manifest.table["split"].to_pylist() if "split" in manifest.table.column_names else None
    pixels = inspection["pixels"]

    def order(row: int) -> tuple[int, int, str, int]:
        split = None if splits is None else splits[row]
        return (SPLIT_ORDER[split], -pixels.get(str(row), 0), names[row], row)

    for rows in _connected(pairs):
        reason, candidates = "duplicate within an identity", rows
        if len({identities[row] for row in rows}) > 1:
            reason = "duplicate across identities"
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
    """For each identity that is renamed, its new name and the largest q-value behind it."""
    photos = Counter(people)
    pairs, worst = list[tuple[int, int]](), defaultdict[str, float](float)
    names = sorted(photos)
    number = {name: n for n, name in enumerate(names)}
    mislabeled = {
        frozenset((doubt["identity"], doubt["resembles"]))
        for doubt in inspection["labels"]["mislabels"]
        if doubt["looks_like_another"] and doubt["probability"] >= rules.mislabel_probability
    }
    for pair in inspection["labels"]["same_person"]:
        if frozenset((pair["left"], pair["right"])) in mislabeled:
            continue  # a mislabeled photo makes two centroids similar
        if pair["share_false"] <= rules.merge_share_false:
            pairs.append((number[pair["left"]], number[pair["right"]]))
            for name in (pair["left"], pair["right"]):
                worst[name] = max(worst[name], pair["share_false"])
    found = {}
    for group in _connected(pairs):
        chosen = min((names[n] for n in group), key=lambda name: (-photos[name], name))
        for n in group:
            if names[n] != chosen:
                found[names[n]] = (chosen, worst[names[n]])
    return found


def _connected(pairs: list[tuple[int, int]]) -> list[list[int]]:
    """The connected components of a graph with these edges, each ascending."""
    if not pairs:
        return []
    nodes, ends = np.unique(np.array(pairs), return_inverse=True)
    left, right = ends.reshape(-1, 2).T.astype(np.int32)  # older SciPy finds nothing by int64
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(nodes), len(nodes)))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    bounds = np.cumsum(np.bincount(component))[:-1]
    return [group.tolist() for group in np.split(nodes[order], bounds)]
