"""Exported networks: the speed of ONNX in float32 and int8 over torch, and what int8 costs on LFW.

python -m benchmarks.export [--quick] [--json FILE]

LIKEWISE_DATA is the folder of real data. The models are the reference model (an ONNX file) and
SFace; the latter is left out where its weights are not installed. int8 is calibrated on people that
are not in the pairs. ``--quick`` takes the reference model alone, and a sixth of the pairs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from benchmarks.lfw import IMAGENET, verified
from benchmarks.measure import Result, arguments, interleaved, report, row
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.pairs import Pairs
from likewise.data.preprocess import Preprocess
from likewise.data.protocols import read_pairs
from likewise.errors import MissingExtra
from likewise.models.embedder import Embedder
from likewise.models.export import export
from likewise.models.importing import import_onnx
from likewise.models.loading import load

BATCH = 16
CALIBRATION_PHOTOS = 600
FEW_PAIRS = 50  # genuine and impostor, of each fold


def models(data: Path, *, quick: bool) -> dict[str, Embedder]:
    """The embedders that are at hand."""
    file = data / "models" / "mobilefacenet_ms1m_128.onnx"
    found = {"reference": import_onnx(file, Preprocess(112, 112, **IMAGENET))}
    try:
        if not quick:
            found["sface"] = load("sface")
    except MissingExtra as missing:
        print(f"export: sface is left out: {missing}", file=sys.stderr)
    return found


def few(pairs: Pairs, each: int) -> Pairs:
    """The first genuine and the first impostor pairs of each fold."""
    fold, same = np.asarray(pairs.fold), np.asarray(pairs.same)
    kept = [np.flatnonzero((fold == f) & (same == s))[:each] for f in np.unique(fold)
            for s in (True, False)]  # fmt: skip
    rows = np.sort(np.concatenate(kept))
    left, right = ([side[row] for row in rows] for side in (pairs.left, pairs.right))
    return replace(pairs, left=left, right=right, same=same[rows], fold=fold[rows])


def others(photos: Path, pairs: Pairs) -> Manifest:
    """Photos of people that are in none of the pairs, to calibrate int8."""
    everyone = read_manifest(photos)
    known = {name.split("/")[0] for side in (pairs.left, pairs.right) for name in side}
    strange = pc.invert(pc.is_in(everyone.table["identity"], value_set=pa.array(sorted(known))))
    table = everyone.table.filter(strange)
    rows = np.random.default_rng(0).choice(table.num_rows, CALIBRATION_PHOTOS, replace=False)
    return Manifest(table.take(pa.array(np.sort(rows))), everyone.root)


def speeds(original: Embedder, full: Embedder, small: Embedder, rounds: int) -> list[float]:
    """Time of ``original`` and of ``full``, each over that of ``small``."""
    pixels = torch.randint(0, 256, (BATCH, 3, 112, 112), dtype=torch.uint8)
    times = interleaved(
        [lambda e=e: e.embed_pixels(pixels) for e in (original, full, small)],  # type: ignore[misc]  # the default binds e
        rounds,
    )
    return [median(a / b for a, b in zip(side, times[2], strict=True)) for side in times[:2]]


def results(*, quick: bool) -> list[Result]:
    named = os.environ.get("LIKEWISE_DATA")
    if not named:
        print("export: skipped; LIKEWISE_DATA is not set", file=sys.stderr)
        return []
    data = Path(named)
    photos = data / "lfw" / "aligned112"
    every_pair = read_pairs(data / "lfw" / "protocol" / "pairs.txt")
    pairs = few(every_pair, FEW_PAIRS) if quick else every_pair
    found: list[Result] = []
    for name, embedder in models(data, quick=quick).items():
        with tempfile.TemporaryDirectory() as folder:
            paths = (Path(folder) / "full.onnx", Path(folder) / "small.onnx")
            exact = export(embedder, paths[0])
            small = export(embedder, paths[1], int8=True, photos=others(photos, every_pair))
            by_full, by_int8 = load(paths[0]), load(paths[1])
            accuracy = []
            for side in (by_full, by_int8):
                folds = verified(side, pairs, photos).folds
                assert folds is not None
                accuracy.append(100 * folds.mean)
            ratios = speeds(embedder, by_full, by_int8, 7 if quick else 15)
            sizes = [path.stat().st_size for path in paths]
        assert small.quantization is not None
        difference, lost = max(exact.differences.values()), accuracy[0] - accuracy[1]
        found += [
            row(f"export.{name}_difference", difference, "", "<= 0.001", difference <= 1e-3),
            row(f"export.{name}_int8_cosine", small.quantization.median_cosine, "cosine"),
            row(f"export.{name}_int8_cosine_p5", small.quantization.p5_cosine, "cosine"),
            row(f"export.{name}_lfw_fp32", accuracy[0], "%"),
            row(f"export.{name}_lfw_int8", accuracy[1], "%"),
            row(f"export.{name}_lfw_loss", lost, "points", "<= 0.3", lost <= 0.3),
            row(f"export.{name}_int8_vs_fp32", ratios[1], "x"),
            row(f"export.{name}_int8_size", sizes[1] / sizes[0], "x"),
        ]
        if embedder.source_file is None:  # the original is run by torch
            found += [
                row(f"export.{name}_fp32_vs_torch", ratios[0] / ratios[1], "x"),
                row(f"export.{name}_int8_vs_torch", ratios[0], "x"),
            ]
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
