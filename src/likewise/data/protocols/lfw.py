"""LFW's lists of pairs and of people, as text or as CSV (Kaggle's copy).

"Labeled Faces in the Wild" (Huang et al., 2007). A photo is named ``NAME/NAME_0001`` without a
suffix, so that the list fits aligned copies in any image format.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.data.pairs import Pairs
from likewise.data.text_file import read_lines, small_number
from likewise.errors import InputError

__all__ = ["People", "read_lfw_csv", "read_lfw_text", "read_people"]


@dataclass(frozen=True)
class People:
    """N people in folds.

    Args:
        names: the name of each person.
        images: int64 [N], the number of photos of each.
        fold: int64 [N], the fold of each; all 0 if the list has no folds.
    """

    names: list[str]
    images: NDArray[np.int64]
    fold: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)


def read_lfw_text(path: Path, lines: list[str]) -> Pairs:
    """Read the lines of ``pairs.txt`` or ``pairsDevTrain.txt``, ``pairsDevTest.txt``.

    Raises:
        InputError: a line is invalid (it is named), or the number of pairs differs from the
            first line.
    """
    folds, each = _counts(path, lines)
    rows: list[_Row] = []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            fields = line.split("\t") if "\t" in line else line.split()
            rows.append(_pair(path, number, fields))
    if len(rows) != folds * 2 * each:
        raise InputError(
            f"{path}: line 1 states {folds * 2 * each} pairs, the file has {len(rows)}"
        )
    return _pairs(rows, np.repeat(np.arange(folds, dtype=np.int64), 2 * each))


def read_lfw_csv(path: Path, lines: list[str]) -> Pairs:
    """Read the lines of ``pairs.csv``, ``matchpairsDev….csv`` or ``mismatchpairsDev….csv``.

    A genuine pair has three fields (name, number, number), an impostor pair four. A fold ends at a
    blank row, or where a genuine pair follows an impostor pair, as in LFW's order.

    Raises:
        InputError: a row is invalid (its line is named), there is none, or the folds differ in
            length.
    """
    rows: list[_Row] = []
    fold: list[int] = []
    ended = False
    for number, fields in _csv_rows(path, lines):
        if not fields:
            ended = True
            continue
        row = _pair(path, number, fields)
        if rows and (ended or (row[2] and not rows[-1][2])):
            fold.append(fold[-1] + 1)
        else:
            fold.append(fold[-1] if fold else 0)
        rows.append(row)
        ended = False
    if not rows:
        raise InputError(f"{path}: the list has no pairs")
    folds = np.array(fold, np.int64)
    sizes = np.bincount(folds)
    if (sizes != sizes[0]).any():
        odd = int(np.argmax(sizes != sizes[0])) + 1
        raise InputError(
            f"{path}: fold 1 has {sizes[0]} pairs, fold {odd} has {sizes[odd - 1]}; for "
            "another order, use a .csv with the columns left, right, same, fold"
        )
    return _pairs(rows, folds)


def read_people(path: Path) -> People:
    """Read ``people.txt``, ``peopleDevTrain.txt`` …, or their CSV forms.

    Raises:
        InputError: the file is missing, a line is invalid (it is named), or the number of people
            differs from the stated one.

    Example:
        >>> from pathlib import Path
        >>> from likewise.data.protocols.lfw import read_people
        >>> list_of_people = Path(photos) / "people.csv"
        >>> _ = list_of_people.write_text("name,images\\nAnna_Ek,2\\n,\\nBo_Li,1\\n")
        >>> read_people(list_of_people).fold.tolist()
        [0, 1]
    """
    lines = read_lines(path)
    return _people_csv(path, lines) if path.suffix.lower() == ".csv" else _people_text(path, lines)


_Row = tuple[str, str, bool]


def _counts(path: Path, lines: list[str]) -> tuple[int, int]:
    """The number of folds, and the number of genuine (and impostor) pairs per fold."""
    header = [small_number(field) for field in lines[0].split()] if lines else []
    match header:
        case [int(each)]:
            return 1, each
        case [int(folds), int(each)]:
            return folds, each
    raise InputError(
        f"{path}: line 1: expected LFW's counts (like 10<TAB>300); "
        "for your own list, use a .csv with the columns left, right, same"
    )


def _pair(path: Path, number: int, fields: list[str]) -> _Row:
    if len(fields) == 3:
        fields = [fields[0], fields[1], fields[0], fields[2]]
    elif len(fields) != 4:
        raise InputError(f"{path}: line {number}: expected 3 or 4 fields, found {len(fields)}")
    first, second = small_number(fields[1]), small_number(fields[3])
    if first is None or second is None:
        raise InputError(f"{path}: line {number}: expected a photo's number")
    left, right = fields[0].strip(), fields[2].strip()
    if not left or not right:
        raise InputError(f"{path}: line {number}: a name is empty")
    return f"{left}/{left}_{first:04d}", f"{right}/{right}_{second:04d}", left == right


def _pairs(rows: list[_Row], fold: NDArray[np.int64]) -> Pairs:
    same = np.array([row[2] for row in rows], bool)
    return Pairs([row[0] for row in rows], [row[1] for row in rows], same, fold)


def _csv_rows(path: Path, lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header, each with its line number, without trailing empty fields."""
    reader = csv.reader(lines)
    try:
        next(reader, None)
        for row in reader:
            while row and not row[-1].strip():
                row.pop()
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num + 1}: not valid CSV ({error})") from None


def _people_csv(path: Path, lines: list[str]) -> People:
    header = [field.strip().lower() for field in lines[0].split(",")] if lines else []
    if header[:2] != ["name", "images"]:
        raise InputError(f"{path}: line 1: expected the columns name,images")
    names: list[str] = []
    images: list[int] = []
    fold: list[int] = []
    current, ended = 0, False
    for number, fields in _csv_rows(path, lines):
        if not fields:
            ended = bool(names)
            continue
        if ended:
            current, ended = current + 1, False
        name, count = _person(path, number, fields)
        names.append(name)
        images.append(count)
        fold.append(current)
    if not names:
        raise InputError(f"{path}: the list has no people")
    return People(names, np.array(images, np.int64), np.array(fold, np.int64))


def _people_text(path: Path, lines: list[str]) -> People:
    """``people.txt``: the number of folds, then per fold its count and people; View 1: one fold."""
    first = small_number(lines[0]) if lines else None
    if first is None:
        raise InputError(f"{path}: line 1: expected a count")
    several = len(lines) > 1 and small_number(lines[1]) is not None
    folds, at = (first, 1) if several else (1, 0)
    names: list[str] = []
    images: list[int] = []
    fold: list[int] = []
    for current in range(folds):
        count = small_number(lines[at]) if at < len(lines) else None
        if count is None:
            raise InputError(f"{path}: line {at + 1}: expected the count of fold {current + 1}")
        if at + 1 + count > len(lines):
            raise InputError(
                f"{path}: line {at + 1} states {count} people, {len(lines) - at - 1} lines follow"
            )
        for number in range(at + 2, at + 2 + count):
            name, photos = _person(path, number, lines[number - 1].split())
            names.append(name)
            images.append(photos)
            fold.append(current)
        at += 1 + count
    if any(line.strip() for line in lines[at:]):
        raise InputError(f"{path}: line {at + 1}: more lines than the counts state")
    if not names:
        raise InputError(f"{path}: the list has no people")
    return People(names, np.array(images, np.int64), np.array(fold, np.int64))


def _person(path: Path, number: int, fields: list[str]) -> tuple[str, int]:
    count = small_number(fields[1]) if len(fields) == 2 else None
    if count is None or not fields[0].strip():
        raise InputError(f"{path}: line {number}: expected a name and its number of photos")
    return fields[0].strip(), count
