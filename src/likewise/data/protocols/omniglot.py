"""Omniglot: handwritten characters of 50 alphabets, and its twenty one-shot runs.

"Human-level concept learning through probabilistic program induction" (Lake, Salakhutdinov &
Tenenbaum, 2015). The archives are read as they were published, as ``.zip`` (``read_manifest``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from likewise.data.containers.zip_directory import ZipDirectory, read_zip_directory
from likewise.data.image_kind import EXTENSIONS
from likewise.data.manifest import Manifest
from likewise.data.text_file import decoded, lines_of
from likewise.errors import InputError

__all__ = ["OneShotRun", "OneShotRuns", "drawings", "read_one_shot_runs"]

MAX_LABELS_BYTES = 2**20
_CHARACTER = re.compile(r"character[0-9]{1,4}")
_DRAWING = re.compile(r"[0-9]{1,6}_([0-9]{1,4})\.png")


@dataclass(frozen=True)
class OneShotRun:
    """One run of trials: find the training image with the test image's character.

    Args:
        name: the name of the run, ``run01``.
        tests: int64 [T], the test images, as rows of the manifest.
        training: int64 [C], the training images, one per character, as rows of the manifest.
        answers: int64 [T], the index in ``training`` of the correct image.
    """

    name: str
    tests: NDArray[np.int64]
    training: NDArray[np.int64]
    answers: NDArray[np.int64]


@dataclass(frozen=True)
class OneShotRuns:
    """The runs and their images.

    Args:
        images: the images of all runs, named ``run01/test/item01.png``; identity ``run01/class08``.
        runs: the runs, sorted by name.
    """

    images: Manifest
    runs: tuple[OneShotRun, ...]


def drawings(paths: Iterable[tuple[str, ...]]) -> dict[str, list[Any]] | None:
    """Alphabet, character and drawer of each path; None unless all are named as in Omniglot."""
    found: dict[str, list[Any]] = {"alphabet": [], "character": [], "drawer": []}
    for path in paths:
        drawing = _DRAWING.fullmatch(path[-1])
        if len(path) < 3 or drawing is None or not _CHARACTER.fullmatch(path[-2]):
            return None
        found["alphabet"].append(path[-3])
        found["character"].append(path[-2])
        found["drawer"].append(int(drawing[1]))
    return found


def read_one_shot_runs(path: str | Path) -> OneShotRuns:
    """Read the runs of ``one_shot_runs.zip`` (``runNN/class_labels.txt`` and its images).

    Raises:
        InputError: it is not such an archive, or a line of a list is invalid or names a missing
            image; names the list and the line.
    """
    path = Path(path)
    directory = read_zip_directory(path)
    found = [_Run(path, directory, row, labels) for row, labels in _label_files(path, directory)]
    if not found:
        raise InputError(f"{path}: holds no class_labels.txt, so no one-shot runs")
    found.sort(key=lambda run: run.name)
    runs: list[OneShotRun] = []
    members: list[int] = []
    names: list[str] = []
    identities: list[str] = []
    for run in found:
        training = {member: place for place, member in enumerate(run.training)}
        answers = [training[shown] for _, shown in run.trials]
        start, tests = len(members), [test for test, _ in run.trials]
        members += tests + run.training
        names += [run.short(member) for member in tests + run.training]
        classes = [PurePosixPath(directory.names[member]).stem for member in run.training]
        identities += [f"{run.name}/{classes[k]}" for k in (*answers, *range(len(classes)))]
        rows = np.arange(start, len(members))
        runs.append(OneShotRun(run.name, rows[: len(tests)], rows[len(tests) :], np.array(answers)))
    columns = {"path": names, "identity": identities, "place": np.arange(len(names))}
    store = directory.store(np.array(members, np.int64))
    return OneShotRuns(Manifest(pa.table(columns), path, store), tuple(runs))


def _label_files(path: Path, directory: ZipDirectory) -> list[tuple[int, str]]:
    rows = [
        row
        for row, name in enumerate(directory.names)
        if PurePosixPath(name).name == "class_labels.txt"
        and "__MACOSX" not in PurePosixPath(name).parts
    ]
    for row in rows:
        if directory.members["size"][row] > MAX_LABELS_BYTES:
            raise InputError(f"{path}: {directory.names[row]!r} is too long for a list of trials")
    store = directory.store(np.array(rows, np.int64))
    found: list[tuple[int, str]] = []
    for place, row in enumerate(rows):
        where = f"{path}: {directory.names[row]!r}"
        found.append((row, decoded(store.read(place), where)))
    return found


class _Run:
    """One run, its images given as members of the archive."""

    def __init__(self, path: Path, directory: ZipDirectory, row: int, labels: str) -> None:
        self.directory = directory
        list_name = PurePosixPath(directory.names[row])
        self.folder = list_name.parent
        self.name = self.folder.name or path.stem
        prefix = "" if self.folder == PurePosixPath(".") else f"{self.folder}/"
        inside = {
            name.removeprefix(prefix): number
            for number, name in enumerate(directory.names)
            if name.startswith(prefix)
        }
        self._prefix = prefix
        self.training = [
            member
            for name, member in sorted(inside.items())
            if name.startswith("training/") and PurePosixPath(name).suffix.lower() in EXTENSIONS
        ]
        known = set(self.training)
        self.trials: list[tuple[int, int]] = []
        for line, text in enumerate(lines_of(labels), start=1):
            if not text.strip():
                continue
            fields = text.split()
            where = f"{path}: {str(list_name)!r}: line {line}"
            if len(fields) != 2:
                raise InputError(f"{where}: expected a test image and a training image")
            test, shown = (inside.get("/".join(PurePosixPath(f).parts[-2:])) for f in fields)
            if test is None or shown is None or shown not in known:
                absent = fields[0] if test is None else fields[1]
                raise InputError(f"{where}: {absent!r} is not among the run's images")
            self.trials.append((test, shown))
        if not self.trials:
            raise InputError(f"{path}: {str(list_name)!r}: the list has no trials")

    def short(self, member: int) -> str:
        return f"{self.name}/{self.directory.names[member].removeprefix(self._prefix)}"
