"""A student of at most a million parameters, from SFace, on faces without identities.

python -m benchmarks.accuracy.distillation [--cells PATTERN] [--quick] [--markdown]

The student learns from the photos of LFW's DevTrain, whose names it is not told. It is evaluated
on the 1,000 pairs of ``pairsDevTest``, which show other people, with the threshold of the pairs of
``pairsDevTrain``. Cells are named ``STUDENT/EPOCHS/PHOTOS``, 0 for as many as the recipe says and
as there are. LIKEWISE_DATA is the folder of real data.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.clock import Clock
from benchmarks.accuracy.store import Cell, Line, Numbers
from benchmarks.accuracy.tuning import photos_of
from benchmarks.lfw import of_pairs
from benchmarks.sets.faces import folder_of_lfw
from likewise.data.manifest import Manifest
from likewise.data.pairs import match_names
from likewise.data.protocols import read_pairs
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.training.recipe.named import find_recipe
from likewise.training.recipe.recipe import recipe_with
from likewise.training.run import train

MODULE = "benchmarks.accuracy.distillation"
TEACHER = "sface, the teacher"
STUDENTS: dict[str, Sequence[str]] = {
    "compactnet 64": ("model.name=compactnet", "input.height=64", "input.width=64"),
    "contrastnet 56": (),
    "contrastnet 56, no cache": ("distill.cache=false",),
    "contrastnet 56, relational": ("distill.kind=relational",),
    "mobilefacenet 56": ("model.name=mobilefacenet",),
    "contrastnet 80": ("input.height=80", "input.width=80"),
}
TIMED = 256  # photos of which the rate is measured


def unlabelled(limit: int) -> Manifest:
    """The photos of DevTrain, or the first of them, each its own identity."""
    photos = folder_of_lfw() / "aligned112"
    files = [file for own in photos_of("peopleDevTrain.csv", 1).values() for file in own]
    names = [str(file.relative_to(photos)) for file in files][: limit or None]
    return Manifest(pa.table({"path": names, "identity": names}), photos)


def scored(model: Embedder, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The scores of a list of pairs, and whether each shows one person."""
    lfw = folder_of_lfw()
    pairs = read_pairs(lfw / "protocol" / name)
    found, _ = model.embed_manifest(of_pairs(pairs, lfw / "aligned112"))
    rows, _ = match_names(pairs, found.names)
    left, right = np.asarray(rows.left), np.asarray(rows.right)
    return pair_scores(found.vectors, left, right), np.asarray(rows.same)


def measured(model: Embedder) -> dict[str, float]:
    """Accuracy at the threshold of DevTrain's pairs, AUC, parameters, photos a CPU second."""
    scores, same = scored(model, "pairsDevTrain.txt")
    cuts = np.sort(scores)
    threshold = cuts[int(np.argmax([((scores >= cut) == same).mean() for cut in cuts]))]
    scores, same = scored(model, "pairsDevTest.txt")
    size = (TIMED, model.preprocess.channels, model.preprocess.height, model.preprocess.width)
    pixels = torch.randint(256, size, dtype=torch.uint8)
    model.embed_pixels(pixels[:32])
    begun = time.process_time()
    model.embed_pixels(pixels)
    return {
        "accuracy": round(float(((scores >= threshold) == same).mean()), 4),
        "auc": round(verification(scores, same).auc, 5),
        "parameters": sum(p.numel() for p in model.module.parameters()),
        "photos_per_cpu_s": round(TIMED / (time.process_time() - begun), 1),
    }


def trained(settings: Sequence[str], epochs: int, limit: int) -> dict[str, float]:
    """Train a student by the recipe distill, and measure it."""
    more = [f"schedule.epochs={epochs}"] if epochs else []
    recipe = recipe_with(find_recipe("distill"), [*settings, *more, "data.workers=0"])
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        result = train(unlabelled(limit), Path(folder) / "run", recipe)
        used = clock.seconds
        if not result.finished:
            raise SystemExit(130)
        return {
            **measured(load(result.model)),
            "train_cpu_s": round(used, 1),
            "likeness": round(result.validation or 0.0, 4),
        }


def all_cells(*, quick: bool) -> list[Cell]:
    names = list(STUDENTS)[:1] if quick else [TEACHER, *STUDENTS]
    epochs, photos = (3, 500) if quick else (0, 0)
    return [Cell({"student": name, "epochs": epochs, "photos": photos}) for name in names]


def measure(student: str, epochs: int, photos: int) -> Numbers:
    """One student; or the teacher, which is not trained."""
    if student == TEACHER:
        return measured(load("sface"))
    return trained(STUDENTS[student], epochs, photos)


def markdown(lines: Iterable[Line]) -> str:
    """One row a model."""
    lines = list(lines)
    shown = {
        "accuracy": ".4f", "auc": ".4f", "likeness": ".3f", "parameters": ",.0f",
        "photos_per_cpu_s": ",.0f", "train_cpu_s": ",.0f",
    }  # fmt: skip
    rows = [
        [str(line.cell.keys["student"])]
        + [format(line.numbers[n], f) if n in line.numbers else "–" for n, f in shown.items()]
        for line in lines
    ]
    headings = [
        "model", "accuracy", "AUC", "likeness", "parameters", "photos/CPU s", "CPU s of training",
    ]  # fmt: skip
    return f"{tables.table(headings, rows)}\n\n{tables.footnote(lines)}"


def main() -> int:
    return cells.run_program(__doc__, "distillation", MODULE, all_cells, markdown)


if __name__ == "__main__":
    raise SystemExit(main())
