"""A perceptual hash of 64 bits, near pairs of hashes, and the correlation of thumbnails."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from likewise.arguments import check_count
from likewise.inspection.census import SIDE

__all__ = [
    "correlations",
    "mean_picture",
    "near_hashes",
    "perceptual_hashes",
    "pixel_correlations",
]

Grey = NDArray[np.uint8]
Rows = NDArray[np.int64]

RADIUS = 7
"""The most bits in which near hashes differ: four 16-bit words, each searched with one flip."""

BLOCK = 4096
WORDS = 1 << 16
CANDIDATES = 1 << 21  # compared at a time
BITS = np.unpackbits(np.arange(WORDS, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(
    axis=1, dtype=np.uint8
)  # number of bits set in each word
PRIOR_PHOTOS = 50  # the median and mean of N photos are shrunk by N / (N + PRIOR_PHOTOS)


def perceptual_hashes(grey: Grey) -> NDArray[np.uint8]:
    """Hash each thumbnail, [N,1024] to uint8 [N,8]; similar pictures differ in few bits.

    The 64 lowest frequencies of the cosine transform, each compared with its median over the set
    (pHash compares with the median of the picture itself). Aligned faces share most of their
    picture; subtracting the median removes that common part, which says nothing about duplicates.

    Args:
        grey: uint8 [N,1024].
    """
    order = sorted((i + j, i, j) for i in range(SIDE) for j in range(SIDE))[1:65]
    rows, columns = np.array([(i, j) for _, i, j in order]).T
    waves = np.empty((len(grey), 64), np.float32)
    for start in range(0, len(grey), BLOCK):
        block = np.asarray(grey[start : start + BLOCK], np.float32).reshape(-1, SIDE, SIDE)
        waves[start : start + BLOCK] = dctn(block, axes=(1, 2), norm="ortho")[:, rows, columns]
    if len(grey) == 0:
        return np.empty((0, 8), np.uint8)
    median = np.median(waves, axis=0) * (len(grey) / (len(grey) + PRIOR_PHOTOS))
    return np.packbits(waves > median, axis=1)


def near_hashes(hashes: NDArray[np.uint8], radius: int = RADIUS) -> tuple[Rows, Rows, Rows]:
    """All pairs of hashes that differ in at most ``radius`` bits: first < second, and the bits.

    Exact up to 7 bits, without comparing every pair: multi-index hashing (Norouzi, Punjani and
    Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012). If two hashes differ in
    at most 7 bits, one of their four 16-bit words differs in at most one.

    Args:
        hashes: uint8 [N,8].
        radius: 0 … 7.

    Raises:
        InputError: a radius out of range.

    Example:
        >>> import numpy as np
        >>> from likewise.inspection.hashes import near_hashes
        >>> hashes = np.array([[0] * 8, [255] * 8, [3] + [0] * 7], np.uint8)
        >>> [rows.tolist() for rows in near_hashes(hashes)]
        [[0], [2], [2]]
    """
    check_count("radius", radius, least=0, most=RADIUS)
    words = np.ascontiguousarray(hashes).view(np.uint16)
    empty = np.empty((3, 0), np.int64)
    found = np.concatenate([empty, *_sharing_a_word(words, radius)], axis=1)
    left, right, bits = np.unique(found, axis=1)  # a pair may share several words
    return left, right, bits


def _sharing_a_word(words: NDArray[np.uint16], radius: int) -> Iterator[Rows]:
    """Near pairs with a word that differs in at most one bit: first, second, bits [3,P]."""
    for column in words.T:
        order = np.argsort(column, kind="stable")
        ends = np.searchsorted(column[order], np.arange(WORDS + 1))
        for mask in (0, *(1 << bit for bit in range(16))):
            wanted = (column[order] ^ np.uint16(mask)).astype(np.int64)
            times = ends[wanted + 1] - ends[wanted]
            block = np.cumsum(times) // CANDIDATES
            for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(block)) + 1):
                many = times[part]
                # Enumerate the members of each query's bucket.
                within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
                first = np.repeat(order[part], many)
                second = order[np.repeat(ends[wanted[part]], many) + within]
                once = first < second
                first, second = first[once], second[once]
                apart = BITS[words[first] ^ words[second]].sum(axis=1, dtype=np.int64)
                near = apart <= radius
                yield np.stack([first[near], second[near], apart[near]])


def pixel_correlations(grey: Grey, left: Rows, right: Rows) -> NDArray[np.float64]:
    """The correlation of the thumbnails of each pair, after subtracting the set's mean picture.

    Args:
        grey: uint8 [N,1024].
        left: rows [P].
        right: rows [P].

    Returns:
        [P], -1 … 1; 0 where a picture is blank.
    """
    mean = mean_picture(grey)
    found = np.empty(len(left))
    for start in range(0, len(left), BLOCK):
        part = slice(start, start + BLOCK)
        found[part] = correlations(grey[left[part]], grey[right[part]], mean)
    return found


def mean_picture(grey: Grey) -> NDArray[np.float64]:
    """The mean of the normalized thumbnails [N,1024], [1024]; shrunk to 0 where photos are few."""
    sample = np.linspace(0, len(grey) - 1, min(len(grey), 20_000)).astype(np.int64)
    mean: NDArray[np.float64] = _unit(grey[sample]).mean(axis=0)
    return mean * (len(grey) / (len(grey) + PRIOR_PHOTOS))


def correlations(left: Grey, right: Grey, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation of thumbnails [P,1024] row by row, less the mean picture; 0 if blank."""
    a, b = _unit(left), _unit(right)
    blank = ~(a.any(axis=1) & b.any(axis=1))
    a, b = a - mean, b - mean
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(blank, 0.0, (a * b).sum(axis=1) / np.maximum(lengths, 1e-12))


def _unit(grey: Grey) -> NDArray[np.float64]:
    """Each thumbnail with mean 0 and length 1; a blank one is 0."""
    pixels = np.asarray(grey, np.float64)
    pixels = pixels - pixels.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.where(lengths > SIDE, pixels / np.maximum(lengths, 1), 0.0)
    return unit
