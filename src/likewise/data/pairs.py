"""Verification pairs: read from a list (see ``likewise.data.protocols``) or drawn from labels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_count
from likewise.errors import InputError

__all__ = ["Pairs", "draw_pairs", "match_names"]

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """N pairs of photos, each genuine (same identity) or impostor.

    Args:
        left: the name or row of each pair's first photo.
        right: the name or row of each pair's second photo.
        same: bool [N], True for genuine pairs.
        fold: int64 [N], the fold of each pair; all 0 if the list has no folds.

    Example:
        >>> import numpy as np
        >>> from likewise import Pairs
        >>> pairs = Pairs(["a/0", "a/0"], ["a/1", "b/0"], np.array([True, False]), np.zeros(2, int))
        >>> len(pairs), int(pairs.same.sum())
        (2, 1)
    """

    left: Sequence[str] | Rows
    right: Sequence[str] | Rows
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.same)


def match_names(pairs: Pairs, names: Sequence[str]) -> tuple[Pairs, list[str]]:
    """Replace the names in ``pairs`` by rows of ``names``.

    An exact match is preferred; else suffixes are ignored (``a/b_0001`` matches ``a/b_0001.png``).
    Pairs of a photo with itself are removed with a warning.

    Returns:
        The pairs whose two photos both exist, as rows; and the sorted names of missing photos.

    Raises:
        InputError: there are no pairs or no names, no pair has both photos, all pairs are of a
            photo with itself, or a name matches several photos.
    """
    if not len(pairs) or not len(names):
        raise InputError(f"pairs: {len(pairs):,} pairs for {len(names):,} photos: nothing to match")
    exact, bare = _Rows(names), _Rows(map(_bare, names))

    def find(name: str) -> int:
        row = exact.row_of(name)
        if row is None:  # the whole name first: in a/b.0001 the dot begins no suffix
            row = bare.row_of(name)
        if row is None:
            row = bare.row_of(_bare(name))
        if row is None:
            return -1
        if isinstance(row, tuple):
            one, other = row
            means = (
                f"{names[one]!r} and {names[other]!r}"
                if names[one] != names[other]
                else f"the photos of rows {one + 1} and {other + 1}"
            )
            raise InputError(f"pairs: {name!r} matches {means}; give full and unique names")
        return row

    def rows_of(wanted: Sequence[str] | Rows) -> Rows:
        return np.fromiter((find(str(n)) for n in wanted), np.int64, count=len(wanted))

    left, right = rows_of(pairs.left), rows_of(pairs.right)
    missing = sorted(
        {str(n) for n, row in zip(pairs.left, left, strict=True) if row < 0}
        | {str(n) for n, row in zip(pairs.right, right, strict=True) if row < 0}
    )
    both = (left >= 0) & (right >= 0)
    if not both.any():
        raise InputError(
            f"pairs: none of the {len(pairs)} pairs has both photos here; "
            f"the first one missing is {missing[0]!r}, the photos here are named like {names[0]!r}"
        )
    alone = both & (left == right)
    if alone.any():
        first = int(np.argmax(alone))
        message = (
            f"{int(alone.sum()):,} of {len(pairs):,} pairs compare a photo with itself; the first "
            f"is pair {first + 1}, of {names[left[first]]!r}"
        )
        if np.array_equal(alone, both):
            raise InputError(f"pairs: {message}; no other pair has both photos here")
        log.warning("pairs: left out: %s", message)
    kept = both & ~alone
    return Pairs(left[kept], right[kept], pairs.same[kept], pairs.fold[kept]), missing


class _Rows:
    """The row of each name, and a second row of repeated names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.first: dict[str, int] = {}
        self.second: dict[str, int] = {}
        for row, name in enumerate(names):
            if self.first.setdefault(name, row) != row:
                self.second.setdefault(name, row)

    def row_of(self, name: str) -> int | tuple[int, int] | None:
        """The row of a name; two rows if it is repeated; None if it is unknown."""
        if name in self.second:
            return self.first[name], self.second[name]
        return self.first.get(name)


def _bare(name: str) -> str:
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.name else name


def draw_pairs(labels: NDArray[np.int64], *, limit: int = 1_000_000, seed: int = 0) -> Pairs:
    """All pairs of labeled photos, or a random sample of at most ``limit`` of each kind.

    The sample is uniform and without replacement. Time and memory grow with the number of labels
    and of returned pairs, not with the number of possible pairs.

    Args:
        labels: int64 [N].
        limit: the most genuine pairs, and likewise the most impostor pairs.
        seed: determines the sample.

    Raises:
        InputError: no identity has two photos, there is only one identity, or the limit is below 1.
    """
    check_count("limit", limit)
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    genuine_total = int((counts * (counts - 1) // 2).sum())
    impostor_total = len(labels) * (len(labels) - 1) // 2 - genuine_total
    if genuine_total == 0:
        raise InputError("evaluation: no identity has two photos, so there are no genuine pairs")
    if impostor_total == 0:
        raise InputError("evaluation: only one identity, so there are no impostor pairs")
    random = np.random.default_rng(seed)
    genuine = order[_genuine(starts, counts, _sample(genuine_total, limit, random))]
    one, other = order[_impostors(starts, counts, _sample(impostor_total, limit, random))]
    left = np.concatenate([genuine[0], np.minimum(one, other)])
    right = np.concatenate([genuine[1], np.maximum(one, other)])
    same = np.arange(len(left)) < genuine.shape[1]
    return Pairs(left, right, same, np.zeros(len(left), np.int64))


def _genuine(starts: Rows, counts: Rows, numbers: Rows) -> Rows:
    """The two positions, in the order by identity, of each numbered genuine pair, [2, M].

    Pairs are numbered identity by identity, so that no list of all pairs is needed.
    """
    own = counts * (counts - 1) // 2
    ends = np.cumsum(own)
    identity = np.searchsorted(ends, numbers, side="right")
    i, j = _pair_of(numbers - (ends - own)[identity])
    return starts[identity] + np.stack([i, j])


def _impostors(starts: Rows, counts: Rows, numbers: Rows) -> Rows:
    """The same for impostor pairs: each photo is paired with all photos of earlier identities."""
    own = starts * counts
    ends = np.cumsum(own)
    identity = np.searchsorted(ends, numbers, side="right")
    photo, earlier = np.divmod(numbers - (ends - own)[identity], starts[identity])
    return np.stack([earlier, starts[identity] + photo])


def _sample(total: int, limit: int, random: np.random.Generator) -> Rows:
    """``limit`` distinct numbers below ``total``, or all of them if there are no more."""
    if limit >= total:
        return np.arange(total)
    if limit > total / 2:
        # Rejection gets slow when most numbers are wanted, so those to leave out are drawn.
        kept = np.ones(total, bool)
        kept[_distinct(total, total - limit, random)] = False
        return np.flatnonzero(kept)
    return _distinct(total, limit, random)


def _distinct(total: int, wanted: int, random: np.random.Generator) -> Rows:
    """``wanted`` distinct numbers, at most half of those below ``total``."""
    found = np.empty(0, np.int64)
    while len(found) < wanted:
        more = random.integers(total, size=2 * (wanted - len(found)) + 16)
        drawn = np.sort(
            np.concatenate([found, more])
        )  # np.unique's hashing takes five times as long
        found = drawn[np.append(True, drawn[1:] != drawn[:-1])]
    return np.sort(random.permutation(found)[:wanted])


def _pair_of(number: Rows) -> tuple[Rows, Rows]:
    """The pair (i < j) with ``number`` = j(j-1)/2 + i."""
    j = ((1 + np.sqrt(8.0 * number + 1)) / 2).astype(np.int64)
    j -= (j * (j - 1) // 2 > number).astype(np.int64)  # the root may round up
    j += ((j + 1) * j // 2 <= number).astype(np.int64)
    return number - j * (j - 1) // 2, j
