"""Omniglot: 20 drawings of each of 964 handwritten characters, and of 659 of other alphabets."""

from __future__ import annotations

from benchmarks.sets.faces import real_data
from benchmarks.sets.split import MissingData, Split, drawn, of_identities
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest

SEED, FEW = 0, 60


def omniglot_900() -> Split:
    """All characters of the background alphabets; the characters of the evaluation alphabets."""
    return Split("omniglot-900", _archive("images_background"), _archive("images_evaluation"))


def omniglot_60() -> Split:
    """Sixty of the background characters, drawn by the seed; the same test."""
    whole = omniglot_900()
    few = drawn(whole.train.identities, FEW, SEED)
    return Split("omniglot-60", of_identities(whole.train, few), whole.test)


def _archive(name: str) -> Manifest:
    path = real_data("omniglot") / f"{name}.zip"
    if not path.is_file():
        raise MissingData(f"{path}: no such file; it is an archive of Omniglot as published")
    return read_manifest(path)
