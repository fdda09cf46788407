"""Readers of evaluation protocols, one module each: LFW, CFP, MegaFace, IJB, Omniglot, ``.bin``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from likewise.data.pairs import Pairs
from likewise.data.protocols.cfp import read_cfp
from likewise.data.protocols.lfw import read_lfw_csv, read_lfw_text
from likewise.data.protocols.pair_table import read_pair_table
from likewise.data.protocols.verification_bin import read_bin
from likewise.data.text_file import read_lines
from likewise.errors import InputError

__all__ = ["names_its_pairs", "read_pairs"]


def read_pairs(path: str | Path, *more: str | Path) -> Pairs:
    """Read verification pairs; the format is detected.

    Supported are LFW's ``pairs.txt`` and ``pairsDev….txt`` and their CSV forms, CFP's folders
    ``Split/FF`` and ``Split/FP``, InsightFace's ``.bin`` sets, and a CSV
    ``left,right,same[,fold]``.

    Args:
        path: the list.
        more: further lists to append (``matchpairsDevTest.csv`` and
            ``mismatchpairsDevTest.csv``); all pairs are then in one fold.

    Raises:
        InputError: a file is missing, or a line is invalid; names the file and the line.

    Example:
        >>> import likewise
        >>> from pathlib import Path
        >>> listed = Path(photos) / "pairs.csv"
        >>> _ = listed.write_text("left,right,same\\nanna/0,anna/1,1\\nanna/0,bob/1,0\\n")
        >>> likewise.read_pairs(listed).same.tolist()
        [True, False]
    """
    first = _read(Path(path))
    if not more:
        return first
    parts = [first, *(_read(Path(other)) for other in more)]
    same = np.concatenate([part.same for part in parts])
    left = [str(name) for part in parts for name in part.left]
    right = [str(name) for part in parts for name in part.right]
    return Pairs(left, right, same, np.zeros(len(same), np.int64))


def names_its_pairs(data: Path) -> bool:
    """Whether a source of photos is a ``.bin`` set, so that ``read_pairs`` can read its pairs."""
    return data.suffix.lower() == ".bin" and data.is_file()


def _read(path: Path) -> Pairs:
    if path.is_dir():
        return read_cfp(path)
    suffix = path.suffix.lower()
    if suffix == ".bin":
        return read_bin(path).pairs
    lines = read_lines(path)
    if suffix != ".csv":
        return read_lfw_text(path, lines)
    header = [field.strip().lower() for field in lines[0].split(",")] if lines else []
    if {"left", "right", "same"} & set(header) or "imagenum1" not in header:
        return read_pair_table(path, lines)
    if len(header) > 4:
        raise InputError(f"{path}: line 1: expected at most 4 columns, found {len(header)}")
    return read_lfw_csv(path, lines)
