"""Probes: queries that are not in the index, to measure its recall.

An index finds its own vectors more easily than new ones: the query itself is among the results,
and a graph search starts next to it. So probes are held out as in practice: new photos of known
people, and people who are not in the index.

Source of the share of unknown people: open-set identification, Grother and Ngan, FRVT part 2, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count
from likewise.arrays import as_array
from likewise.errors import InputError
from likewise.search.contents.row_hashes import row_hashes
from likewise.search.engines.engine import Vectors

__all__ = [
    "MIN_VECTORS",
    "Probes",
    "checked_labels",
    "given_probes",
    "hold_out",
    "indexed_note",
    "labels_among",
    "labels_of",
    "without_indexed",
]

MIN_VECTORS = 20  # to hold probes out of
UNKNOWN = 0.2  # share of the probes, if people are known
MAX_HELD = 0.1  # share of the vectors: the rest must resemble the whole
MAX_INDEXED = 0.5  # share of given queries: with more, the user named the wrong file
IDENTITY = "identity"


@dataclass(frozen=True)
class Probes:
    """Queries that are not in the index.

    Args:
        queries: float32 [Q,D].
        groups: int64 [Q], groups of correlated queries: of one person, or each query alone.
        unknown: bool [Q], True if nobody of this person is in the index, as far as is known.
        labels: int64 [Q], the people; None if not known.
        rows: int64 [Q], the rows that they were held out of; None if they were given.
        held: int64, all rows that must not be indexed: the probes, and all other photos of the
            unknown people. Empty if the probes were given.
    """

    queries: NDArray[np.float32]
    groups: NDArray[np.int64]
    unknown: NDArray[np.bool_]
    labels: NDArray[np.int64] | None
    rows: NDArray[np.int64] | None
    held: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, chosen: NDArray[np.int64]) -> Probes:
        """Some of the probes, with the same ``held`` rows."""
        return Probes(
            self.queries[chosen],
            self.groups[chosen],
            self.unknown[chosen],
            None if self.labels is None else self.labels[chosen],
            None if self.rows is None else self.rows[chosen],
            self.held,
        )

    def halves(self, seed: int) -> tuple[Probes, Probes]:
        """Two halves without a common group: one to select settings, one to validate them.

        Raises:
            InputError: there is only one group.
        """
        names, place, group = np.unique(self.groups, return_index=True, return_inverse=True)
        if len(names) < 2:
            raise InputError(f"queries: {len(self)} of one group; at least two groups are needed")
        order = np.random.default_rng([seed, 1]).permutation(len(names))
        # Alternate among the unknown, then among the known: both halves get equal shares.
        order = order[np.argsort(~self.unknown[place][order], kind="stable")]
        turn = np.empty(len(names), np.int64)
        turn[order] = np.arange(len(names))
        first = (turn % 2 == 0)[group]
        return self.take(np.flatnonzero(first)), self.take(np.flatnonzero(~first))


def hold_out(
    vectors: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    count: int = 2000,
    unknown: float = UNKNOWN,
    seed: int = 0,
) -> Probes:
    """Hold probes out of the vectors that are to be indexed.

    With labels, all photos of some people are held out (they are the unknown people), and single
    photos of others, who keep at least one photo in the index. Without labels, random rows are
    held out.

    Args:
        vectors: [N,D].
        labels: int64 [N].
        count: how many probes; at most a tenth of the vectors.
        unknown: the share of probes of unknown people.
        seed: of the random choice.

    Raises:
        InputError: fewer than 20 vectors, another number of labels, or a share outside [0, 1).

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.probes import hold_out
        >>> people = np.repeat(np.arange(100), 5)
        >>> probes = hold_out(np.eye(500), people, count=50)
        >>> strangers = set(people) - set(np.delete(people, probes.held))
        >>> len(probes), len(strangers)
        (50, 2)
    """
    rows = np.asarray(vectors)
    if len(rows) < MIN_VECTORS:
        raise InputError(
            f"vectors: {len(rows)} are too few to hold some out; {MIN_VECTORS} at least"
        )
    count = check_count("count", count, least=2)
    if not 0 <= unknown < 1:
        raise InputError(f"unknown: {unknown:g}; must be a number of at least 0 and below 1")
    count = min(count, max(2, int(MAX_HELD * len(rows))))
    random = np.random.default_rng([seed, 0])
    if labels is None:
        drawn = np.sort(random.choice(len(rows), count, replace=False))
        known = np.zeros(count, np.bool_)
        return Probes(_float_rows(rows, drawn), drawn, known, None, drawn, drawn)
    own = checked_labels(labels, len(rows))
    _, person, photos = np.unique(own, return_inverse=True, return_counts=True)
    strangers = _draw_strangers(photos, round(unknown * count), random)
    of_strangers = np.flatnonzero(strangers[person])
    drawn = random.permutation(of_strangers)[: round(unknown * count)]
    singles = _draw_single_photos(person, photos, ~strangers, count - len(drawn), random)
    chosen = np.sort(np.concatenate([drawn, singles]))
    if len(chosen) < 2:
        raise InputError("labels: nobody has two photos, and unknown is 0; leave the labels out")
    held = np.union1d(of_strangers, singles)
    people = own[chosen]
    return Probes(
        _float_rows(rows, chosen), people, strangers[person[chosen]], people, chosen, held
    )


def given_probes(queries: ArrayLike, labels: ArrayLike | None = None) -> Probes:
    """Probes that the user provides: photos that are not in the index.

    The photos of a person are one group of correlated queries; an unknown person is alone.

    Args:
        queries: [Q,D].
        labels: int64 [Q], in the numbering of the index's labels; -1 for an unknown person.

    Raises:
        InputError: the counts differ.
    """
    rows = np.asarray(queries, np.float32)
    alone, nothing = np.arange(len(rows)), np.empty(0, np.int64)
    if labels is None:
        return Probes(rows, alone, np.zeros(len(rows), np.bool_), None, None, nothing)
    own = np.asarray(labels, np.int64)
    if own.shape != (len(rows),):
        raise InputError(f"labels: {list(own.shape)}; must be one for each of {len(rows)} queries")
    group = np.where(own < 0, alone + max(0, int(own.max(initial=0))) + 1, own)
    return Probes(rows, group, own < 0, own, None, nothing)


def without_indexed(probes: Probes, vectors: Vectors) -> tuple[Probes, str]:
    """The probes whose vectors are not indexed, and a note on the others.

    An indexed query finds itself, so it would raise the measured recall.

    Args:
        probes: prepared by the space, float32 [Q,D].
        vectors: prepared by the space, float32 [N,D].

    Returns:
        The note is empty if no probe is indexed.

    Raises:
        InputError: most of the queries are indexed, or fewer than two are left.
    """
    if vectors.shape[1] != probes.queries.shape[1]:
        return probes, ""  # the search refuses them, with a message on dimensions
    indexed = np.isin(row_hashes(probes.queries), row_hashes(vectors))
    count = int(indexed.sum())
    if count == 0:
        return probes, ""
    note = indexed_note(count, len(probes))
    if count > MAX_INDEXED * len(probes) or len(probes) - count < 2:
        raise InputError(f"{note}; give photos that are not indexed, or none, to hold some out")
    left = probes.take(np.flatnonzero(~indexed))
    return left, f"{note}; they are left out, because they would find themselves"


def indexed_note(indexed: int, count: int) -> str:
    """How many of the queries are indexed, in words."""
    return f"queries: {indexed:,} of {count:,} are equal to an indexed vector"


def labels_of(items: pa.Table | None) -> NDArray[np.int64] | None:
    """Labels from the column ``identity`` of the items; None without this column.

    Labels number the distinct identities in ascending order; a row without an identity gets a label
    of its own.

    Example:
        >>> labels_of(pa.table({"identity": ["bob", "anna", "bob"]})).tolist()
        [1, 0, 1]
    """
    return None if items is None else labels_among(items, items)


def labels_among(items: pa.Table, known: pa.Table | None) -> NDArray[np.int64] | None:
    """Labels of rows in the numbering of ``known``; -1 for identities that it does not have.

    None if either table has no identities.
    """
    if known is None or IDENTITY not in known.column_names or IDENTITY not in items.column_names:
        return None
    names = pc.unique(known[IDENTITY].combine_chunks().drop_null())
    names = names.take(pc.sort_indices(names))
    found = pc.index_in(items[IDENTITY].combine_chunks(), value_set=names)
    places: NDArray[np.int64] = (
        pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    if items is known:
        missing = places < 0
        places[missing] = len(names) + np.arange(int(missing.sum()))
    return places


def checked_labels(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    """Labels as int64 [N].

    Raises:
        InputError: they are not integers, or not ``count``.
    """
    own = as_array(labels, "labels")
    if own.dtype.kind in "UO" and own.ndim == 1:  # names
        own = np.unique(own.astype(str), return_inverse=True)[1]
    if own.shape != (count,) or own.dtype.kind not in "iu":
        raise InputError(f"labels: {own.dtype} {list(own.shape)} for {count} vectors")
    return own.astype(np.int64)


def _draw_strangers(
    photos: NDArray[np.int64], wanted: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Random people with about ``wanted`` photos in total, [A]; nobody with too many photos."""
    order = random.permutation(len(photos))
    fits = order[photos[order] <= max(1, int(MAX_HELD * photos.sum()) // 2)]
    needed = int(np.searchsorted(np.cumsum(photos[fits]), wanted)) + 1 if wanted else 0
    chosen = np.zeros(len(photos), np.bool_)
    chosen[fits[: min(needed, len(fits) - 1)]] = True
    return chosen


def _draw_single_photos(
    person: NDArray[np.int64],
    photos: NDArray[np.int64],
    known: NDArray[np.bool_],
    wanted: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Random photos of known people: one of each before a second of anybody, and never all."""
    order = random.permutation(len(person))
    grouped = order[np.argsort(person[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(photos)[:-1]])
    turn = np.arange(len(person)) - starts[person[grouped]]
    allowed = known[person[grouped]] & (turn < photos[person[grouped]] - 1)
    rows, turns = grouped[allowed], turn[allowed]
    shuffled = random.permutation(len(rows))
    first = shuffled[np.argsort(turns[shuffled], kind="stable")]
    found: NDArray[np.int64] = rows[first[:wanted]]
    return found


def _float_rows(rows: NDArray[np.generic], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows[chosen], np.float32)
