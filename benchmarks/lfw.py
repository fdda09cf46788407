"""Labeled Faces in the Wild: a reference model by the protocol, and a network trained on View 1.

python -m benchmarks.lfw [--quick] [--json FILE]

LIKEWISE_DATA is the folder of real data. ``--quick`` leaves out the training and the photos, which
take some minutes.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measure import Result, arguments, report, row
from likewise.data.embeddings import Embeddings, read_embeddings
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.pairs import Pairs
from likewise.data.preprocess import Preprocess
from likewise.data.protocols import read_pairs
from likewise.evaluation.experiment import Experiment, evaluate
from likewise.models.embedder import Embedder
from likewise.models.importing import import_onnx
from likewise.models.loading import load
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.run import train

# Measured with the reference model by another program; see LFW's rule for ties in
# likewise.evaluation.verification.lfw_accuracy.
PUBLISHED, PUBLISHED_ERROR = 99.367, 0.105
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RECIPE = [
    "input.height=48", "input.width=48", "input.channels=1",
    "data.val_identities=0", "training.ema=0.99",
    "batch.sampler=plain", "batch.size=64",
    "model.name=contrastnet", "model.dropout=0.2",
    "loss.name=cosface", "loss.margin=0.2", "loss.scale=32",
    "optimizer.lr=2e-3", "optimizer.weight_decay=0.1",
    "schedule.epochs=12", "schedule.margin_warmup_epochs=4",
    "augment.geometry={p: 0.8, degrees: 8, translate: 0.05, zoom: 0.1, perspective: 0.06}",
    "augment.light={p: 0.5}", "augment.erase={p: 0.3}",
]  # fmt: skip


def people(table: Path) -> list[str]:
    """The names of a ``people…csv``; a blank row ends each fold."""
    with table.open(encoding="utf-8", newline="") as stream:
        return [entry["name"] for entry in csv.DictReader(stream) if entry["name"]]


def reference_embeddings(lfw: Path, pairs: Pairs) -> Experiment:
    """All ten folds of ``pairs.txt`` from the stored embeddings."""
    names = lfw / "reference_embeddings_files.txt"
    return evaluate(read_embeddings(lfw / "reference_embeddings_128.npy", names), pairs)


def of_pairs(pairs: Pairs, photos: Path) -> Manifest:
    """The photos of the pairs, each once."""
    names = sorted({f"{name}.jpg" for side in (pairs.left, pairs.right) for name in side})
    table = pa.table({"path": names, "identity": [name.split("/")[0] for name in names]})
    return Manifest(table, photos)


def verified(embedder: Embedder, pairs: Pairs, photos: Path) -> Experiment:
    """Verification of the pairs from their photos."""
    embeddings, _ = embedder.embed_manifest(of_pairs(pairs, photos))
    return evaluate(embeddings, pairs)


def grey_pixels(pairs: Pairs, photos: Path) -> Experiment:
    """The baseline: 32×32 grey pixels, minus the mean of each photo."""
    manifest, preprocess = of_pairs(pairs, photos), Preprocess(32, 32, 1, mean=(0.5,), std=(0.5,))
    pixels = [preprocess.pixels(file).numpy().ravel() for file in manifest.photos()]
    vectors = np.stack(pixels).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    return evaluate(Embeddings(vectors, manifest.table), pairs)


def trained_on_view_1(lfw: Path, folder: Path) -> tuple[Experiment, Experiment]:
    """A small network trained on the people of DevTrain, evaluated on ``pairsDevTest.txt``.

    View 2 shares people with View 1, so ``pairs.txt`` would leak training data.

    Returns:
        The result of the network, and that of the pixels.
    """
    everyone = read_manifest(lfw / "aligned112")
    chosen = pa.array(people(lfw / "protocol" / "peopleDevTrain.csv"))
    table = everyone.table.filter(pc.is_in(everyone.table["identity"], value_set=chosen))
    result = train(Manifest(table, everyone.root), folder, recipe_with(Recipe(), RECIPE))
    pairs = read_pairs(lfw / "protocol" / "pairsDevTest.txt")
    network = verified(load(result.model), pairs, everyone.root)
    return network, grey_pixels(pairs, everyone.root)


def results(*, quick: bool) -> list[Result]:
    data = os.environ.get("LIKEWISE_DATA")
    if not data:
        print("lfw: skipped; LIKEWISE_DATA is not set", file=sys.stderr)
        return []
    lfw = Path(data) / "lfw"
    pairs = read_pairs(lfw / "protocol" / "pairs.txt")
    folds = reference_embeddings(lfw, pairs).folds
    assert folds is not None
    stored, error = 100 * folds.mean, 100 * folds.standard_error
    close = abs(stored - PUBLISHED) < 5e-4 and abs(error - PUBLISHED_ERROR) < 5e-4
    found = [
        row("lfw.reference_accuracy", stored, "%", f"= {PUBLISHED}", close),
        row("lfw.reference_standard_error", error, "%", f"= {PUBLISHED_ERROR}", close),
    ]
    if quick:
        return found
    model = Path(data) / "models" / "mobilefacenet_ms1m_128.onnx"
    embedder = import_onnx(model, Preprocess(112, 112, **IMAGENET))
    folds = verified(embedder, pairs, lfw / "aligned112").folds
    assert folds is not None
    difference = abs(100 * folds.mean - PUBLISHED)
    found.append(
        row("lfw.from_photos_minus_published", difference, "%", "<= 0.05", difference <= 0.05)
    )
    with tempfile.TemporaryDirectory() as folder:
        network, pixels = trained_on_view_1(lfw, Path(folder) / "run")
    ours, theirs = network.measured, pixels.measured
    return [
        *found,
        row("lfw.view1_auc", ours.auc, "AUC", f"> {theirs.auc:.3f}", ours.auc > theirs.auc),
        row("lfw.view1_eer", ours.eer, "", f"< {theirs.eer:.3f}", ours.eer < theirs.eer),
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
