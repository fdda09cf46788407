"""The protocol of CFP: frontal-frontal and frontal-profile pairs in ten folds.

"Frontal to Profile Face Verification in the Wild" (Sengupta et al., 2016). The folder
``Protocol`` holds ``Pair_list_F.txt`` and ``Pair_list_P.txt`` (number and path of each photo) and
``Split/FF|FP/01…10/same.txt|diff.txt`` (two numbers per line).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from likewise.arguments import one_of
from likewise.data.pairs import Pairs
from likewise.data.text_file import read_lines, small_number
from likewise.errors import InputError

__all__ = ["read_cfp"]

LISTS = {"FF": ("F", "F"), "FP": ("F", "P")}


def read_cfp(folder: Path, kind: str | None = None) -> Pairs:
    """Read the pairs of CFP with their folds.

    Names of photos are relative to the folder ``Images``: ``001/frontal/01.jpg``.

    Args:
        folder: CFP's own folder, its ``Protocol``, or one ``Protocol/Split/FF`` or ``FP``.
        kind: ``FF`` or ``FP``; required unless given by the folder.

    Raises:
        InputError: a file is missing, a line is invalid, or a pair has a photo that is not in the
            list; names the file and the line.
    """
    if folder.name in LISTS and kind in (None, folder.name):
        kind, protocol = folder.name, folder.absolute().parent.parent
    else:
        protocol = folder / "Protocol" if (folder / "Protocol").is_dir() else folder
    if kind is None:
        raise InputError(f"{folder}: choose FF or FP by giving the folder Protocol/Split/FF or FP")
    one_of("kind", kind, LISTS)
    left_list, right_list = LISTS[kind]
    photos = {name: _photos(protocol / f"Pair_list_{name}.txt") for name in {left_list, right_list}}
    split = protocol / "Split" / kind
    if not split.is_dir():
        raise InputError(f"{split}: no such folder")
    left: list[str] = []
    right: list[str] = []
    same: list[bool] = []
    fold: list[int] = []
    folders = sorted(entry for entry in split.iterdir() if small_number(entry.name) is not None)
    for number, entry in enumerate(folders):
        for name, truth in (("same.txt", True), ("diff.txt", False)):
            for i, j in _numbers(entry / name, photos[left_list], photos[right_list]):
                left.append(i)
                right.append(j)
                same.append(truth)
                fold.append(number)
    if not same:
        raise InputError(f"{split}: holds no pairs (looked for 01/same.txt and so on)")
    return Pairs(left, right, np.array(same), np.array(fold, np.int64))


def _photos(path: Path) -> dict[int, str]:
    """The name of each photo, by its number."""
    found: dict[int, str] = {}
    for line, text in enumerate(read_lines(path), start=1):
        fields = text.split(maxsplit=1)
        if not fields:
            continue
        number = small_number(fields[0])
        if number is None or len(fields) != 2:
            raise InputError(f"{path}: line {line}: expected a number and a path")
        if number in found:
            raise InputError(f"{path}: line {line}: photo {number} is repeated")
        found[number] = _below_images(fields[1].strip())
    return found


def _below_images(path: str) -> str:
    """``../Data/Images/001/frontal/01.jpg`` becomes ``001/frontal/01.jpg``."""
    parts = PurePosixPath(path).parts
    if "Images" in parts:
        parts = parts[parts.index("Images") + 1 :]
    return "/".join(part for part in parts if part not in ("..", "/"))


def _numbers(path: Path, left: dict[int, str], right: dict[int, str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line, text in enumerate(read_lines(path), start=1):
        if not text.strip():
            continue
        fields = [small_number(field) for field in text.split(",")]
        match fields:
            case [int(i), int(j)]:
                pass
            case _:
                raise InputError(f"{path}: line {line}: expected two numbers, like 1,2")
        for number, photos in ((i, left), (j, right)):
            if number not in photos:
                raise InputError(f"{path}: line {line}: the list of photos has no number {number}")
        found.append((left[i], right[j]))
    return found
