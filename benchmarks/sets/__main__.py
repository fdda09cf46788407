"""Make the sets of the accuracy benchmarks, and print what is in them.

python -m benchmarks.sets [NAME…]

Sets that are made lie in the cache, in ``benchmark-sets``; the others are read where they are.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import numpy as np

from benchmarks.sets.registry import list_sets, load_set
from benchmarks.sets.split import MissingData, Split
from likewise.data.images import decode
from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError

HEADER = ("set", "part", "classes", "photos", "a class", "pixels")


def described(split: Split) -> list[tuple[str, ...]]:
    """A row for each part."""
    return [
        (split.name, part, *_numbers(manifest))
        for part, manifest in (("train", split.train), ("test", split.test))
    ]


def _numbers(manifest: Manifest) -> tuple[str, ...]:
    counts = np.bincount(manifest.labels)
    sizes = Counter(
        _size(manifest, row) for row in range(0, len(manifest), len(manifest) // 20 + 1)
    )
    return (
        f"{len(counts):,}",
        f"{len(manifest):,}",
        f"{counts.min()} to {counts.max()}" if np.ptp(counts) else str(counts[0]),
        sizes.most_common(1)[0][0],
    )


def _size(manifest: Manifest, row: int) -> str:
    image = decode(manifest.photo(row))
    pixels = np.asarray(image)
    grey = np.array_equal(pixels.min(2), pixels.max(2))
    return f"{image.width}×{image.height} {'grey' if grey else 'colour'}"


def table(rows: list[tuple[str, ...]]) -> str:
    """The rows below their header, in columns."""
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    lines = ("  ".join(f"{t:{w}}" for t, w in zip(r, widths, strict=True)) for r in (HEADER, *rows))
    return "\n".join(line.rstrip() for line in lines)


def main() -> int:
    """Make and describe the named sets; 1 if a source of one is missing."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.sets")
    parser.add_argument("names", nargs="*", metavar="NAME", help="all sets without one")
    rows, missing = [], []
    try:
        for name in parser.parse_args().names or list_sets():
            try:
                rows += described(load_set(name))
            except MissingData as error:
                missing.append(str(error))
    except LikewiseError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if rows:
        print(table(rows))
    for text in missing:
        print(f"error: {text}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
