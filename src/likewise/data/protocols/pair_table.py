"""The user's own list of pairs: a CSV with the columns left, right, same and optionally fold."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from likewise.data.pairs import Pairs
from likewise.errors import InputError

__all__ = ["read_pair_table"]

TRUTH = {"1": True, "true": True, "same": True, "0": False, "false": False, "different": False}
_FOLD = re.compile(r"-?[0-9]{1,18}")


def read_pair_table(path: Path, lines: list[str]) -> Pairs:
    """Read the lines of a CSV ``left,right,same[,fold]``.

    Raises:
        InputError: a column is missing, a row is invalid (its line is named), or there is no row.
    """
    reader = csv.DictReader(lines)
    left, right, same, fold = [], [], [], []
    try:
        columns = reader.fieldnames or []
        missing = [name for name in ("left", "right", "same") if name not in columns]
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(missing)}; it has: {', '.join(columns) or 'none'}"
            )
        for row in reader:
            answer = TRUTH.get((row["same"] or "").strip().lower())
            number = (row.get("fold") or "0").strip()
            if answer is None or not _FOLD.fullmatch(number) or not row["left"] or not row["right"]:
                raise InputError(
                    f"{path}: line {reader.line_num}: expected two names, same as 1 or 0, fold a "
                    "number"
                )
            left.append(row["left"])
            right.append(row["right"])
            same.append(answer)
            fold.append(int(number))
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num + 1}: not valid CSV ({error})") from None
    if not same:
        raise InputError(f"{path}: the list has no pairs")
    return Pairs(left, right, np.array(same), np.array(fold, np.int64))
