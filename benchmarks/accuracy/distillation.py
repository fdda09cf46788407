"""A student of at most a million parameters, from SFace, on faces without identities.

python -m benchmarks.accuracy.distillation [--quick] [--only WORD] [--lines FILE]

The student learns from the photos of LFW's DevTrain, whose names it is not told. It is evaluated
on the 1,000 pairs of ``pairsDevTest``, which show other people, with the threshold of the pairs of
``pairsDevTrain``. Students that are done are skipped. LIKEWISE_DATA is the folder of real data.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from benchmarks.accuracy.lines import Lines, cpu_seconds, options
from benchmarks.accuracy.tuning import lfw, photos_of
from benchmarks.lfw import of_pairs
from likewise.data.manifest import Manifest
from likewise.data.pairs import match_names
from likewise.data.protocols import read_pairs
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.training.recipe.named import find_recipe
from likewise.training.recipe.recipe import recipe_with
from likewise.training.run import train

STUDENTS: dict[str, Sequence[str]] = {
    "compactnet 64": ("model.name=compactnet", "input.height=64", "input.width=64"),
    "contrastnet 56": (),
    "contrastnet 56, no cache": ("distill.cache=false",),
    "contrastnet 56, relational": ("distill.kind=relational",),
    "mobilefacenet 56": ("model.name=mobilefacenet",),
    "contrastnet 80": ("input.height=80", "input.width=80"),
}
TIMED = 256  # photos of which the rate is measured


def unlabelled(limit: int | None) -> Manifest:
    """The photos of DevTrain, each its own identity."""
    files = [file for own in photos_of("peopleDevTrain.csv", 1).values() for file in own]
    names = [str(file.relative_to(lfw() / "aligned112")) for file in files][:limit]
    return Manifest(pa.table({"path": names, "identity": names}), lfw() / "aligned112")


def scored(model: Embedder, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The scores of a list of pairs, and whether each shows one person."""
    pairs = read_pairs(lfw() / "protocol" / name)
    found, _ = model.embed_manifest(of_pairs(pairs, lfw() / "aligned112"))
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


def student(
    settings: Sequence[str], epochs: int | None = None, limit: int | None = None
) -> dict[str, float]:
    """Train a student by the recipe distill, and measure it."""
    more = [] if epochs is None else [f"schedule.epochs={epochs}"]
    recipe = recipe_with(find_recipe("distill"), [*settings, *more, "data.workers=0"])
    with tempfile.TemporaryDirectory() as folder:
        begun = cpu_seconds()
        result = train(unlabelled(limit), Path(folder) / "run", recipe)
        used = cpu_seconds() - begun
        if not result.finished:
            raise SystemExit(130)
        return {
            **measured(load(result.model)),
            "train_cpu_s": round(used, 1),
            "likeness": round(result.validation or 0.0, 4),
        }


def main() -> None:
    chosen = options(__doc__, Path("distillation.jsonl"))
    lines = Lines(chosen.lines)
    if not chosen.quick:
        lines.measure(lambda: measured(load("sface")), student="sface, the teacher")
    names = [name for name in STUDENTS if chosen.only in name]
    for name in names[:1] if chosen.quick else names:
        part: dict[str, int | None] = {"epochs": 3, "limit": 500} if chosen.quick else {}
        lines.measure(partial(student, STUDENTS[name], **part), student=name, **part)
    for line in lines.found:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
