"""Probes: queries that an index does not hold, to learn how well it finds.

Searched with its own vectors an index looks better than it is: the query itself is always near,
and a graph starts next to it. So probes are held out, as they come in life: new photos of known
people, and people who are not there at all.

Source of the share of strangers: open-set identification, Grother and Ngan, FRVT part 2, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError

__all__ = ["FEWEST", "UNKNOWN", "Probes", "given_probes", "hold_out"]

FEWEST = 20  # vectors that some can be held out of
UNKNOWN = 0.2  # of the probes, where people are known
MOST_HELD = 0.1  # of the vectors: the rest must stay like the whole


@dataclass(frozen=True)
class Probes:
    """Queries that are not in the index.

    Args:
        queries: float32 [Q,D].
        groups: int64 [Q], which hang together: one person's, or each by itself.
        unknown: bool [Q], nobody of theirs is in the index, as far as it is known.
        labels: int64 [Q], whose they are; None where nobody knows.
        rows: int64 [Q], where they were held out of; None where they were given.
        held: int64, all rows that must not be indexed: the probes, and what else there is of the
            people who are to be unknown. Empty where the probes were given.
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
        """Some of the probes; what is held out stays so."""
        return Probes(
            self.queries[chosen],
            self.groups[chosen],
            self.unknown[chosen],
            None if self.labels is None else self.labels[chosen],
            None if self.rows is None else self.rows[chosen],
            self.held,
        )

    def halves(self, seed: int) -> tuple[Probes, Probes]:
        """Two parts that share no group: one to choose by, and one to be judged on.

        Raises:
            InputError: there is only one group.
        """
        names, place, group = np.unique(self.groups, return_index=True, return_inverse=True)
        if len(names) < 2:
            raise InputError(f"queries: {len(self)} of one group; at least two are needed")
        order = np.random.default_rng([seed, 1]).permutation(len(names))
        # Every other one of the unknown, then of the known: both halves have their share.
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

    With labels, whole people are held out (their photos are the unknown ones), and of others
    single photos, each of whom at least one other photo stays. Without, rows are drawn.

    Args:
        vectors: [N,D].
        labels: int64 [N].
        count: how many probes; fewer where a tenth of the vectors is fewer.
        unknown: the part of them whose people are unknown.
        seed: draws them.

    Raises:
        InputError: fewer than 20 vectors, labels of another length, a share outside [0, 1).

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
    if len(rows) < FEWEST:
        raise InputError(f"vectors: {len(rows)} are too few to hold some out; {FEWEST} at least")
    if count < 2 or not 0 <= unknown < 1:
        raise InputError(f"count, unknown: {count} and {unknown:g}; at least 2, and in [0, 1)")
    count = min(count, max(2, int(MOST_HELD * len(rows))))
    random = np.random.default_rng([seed, 0])
    if labels is None:
        drawn = np.sort(random.choice(len(rows), count, replace=False))
        nobody = np.zeros(count, np.bool_)
        return Probes(_taken(rows, drawn), drawn, nobody, None, drawn, drawn)
    own = np.asarray(labels)
    if own.shape != (len(rows),) or own.dtype.kind not in "iu":
        raise InputError(f"labels: {own.dtype} {list(own.shape)} for {len(rows)} vectors")
    _, person, photos = np.unique(own, return_inverse=True, return_counts=True)
    strangers = _strangers(photos, round(unknown * count), random)
    of_strangers = np.flatnonzero(strangers[person])
    drawn = random.permutation(of_strangers)[: round(unknown * count)]
    known = _single_photos(person, photos, ~strangers, count - len(drawn), random)
    chosen = np.sort(np.concatenate([drawn, known]))
    if len(chosen) < 2:
        raise InputError("labels: nobody has two photos, and unknown is 0; leave the labels out")
    held = np.union1d(of_strangers, known)
    whose = own[chosen].astype(np.int64)
    return Probes(_taken(rows, chosen), whose, strangers[person[chosen]], whose, chosen, held)


def given_probes(
    queries: ArrayLike, labels: ArrayLike | None = None, groups: ArrayLike | None = None
) -> Probes:
    """Probes that the user brings: photos that are not, and will not be, in the index.

    Args:
        queries: [Q,D].
        labels: int64 [Q], in the same numbering as the index's; -1 for a stranger.
        groups: int64 [Q], which hang together; the labels if None, and strangers by themselves.

    Raises:
        InputError: counts that differ.
    """
    rows = np.asarray(queries, np.float32)
    own = None if labels is None else np.asarray(labels, np.int64)
    if groups is not None:
        group = np.asarray(groups, np.int64)
    elif own is not None:
        beyond = np.arange(len(rows)) + max(0, int(own.max(initial=0))) + 1
        group = np.where(own < 0, beyond, own) if own.shape == (len(rows),) else own
    else:
        group = np.arange(len(rows))
    if group.shape != (len(rows),) or (own is not None and own.shape != (len(rows),)):
        raise InputError(f"labels, groups: one a query is needed, for {len(rows)} queries")
    unknown = np.zeros(len(rows), np.bool_) if own is None else own < 0
    return Probes(rows, group, unknown, own, None, np.empty(0, np.int64))


def _strangers(
    photos: NDArray[np.int64], wanted: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """People drawn until they have so many photos, [A]; of none the one who has half of all."""
    order = random.permutation(len(photos))
    fits = order[photos[order] <= max(1, int(MOST_HELD * photos.sum()) // 2)]
    needed = int(np.searchsorted(np.cumsum(photos[fits]), wanted)) + 1 if wanted else 0
    chosen = np.zeros(len(photos), np.bool_)
    chosen[fits[: min(needed, len(fits) - 1)]] = True
    return chosen


def _single_photos(
    person: NDArray[np.int64],
    photos: NDArray[np.int64],
    known: NDArray[np.bool_],
    wanted: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows of known people, one of each before a second of anybody; one photo always stays."""
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


def _taken(rows: NDArray[np.generic], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows[chosen], np.float32)
