"""Photo quality: what a low norm, a blur, a turn cost in recognition, and where reasons begin.

python -m benchmarks.faces.quality [--quick] [--json FILE]

LIKEWISE_DATA is the folder of real data; the extra ``faces`` is needed. All error rates are FNMR at
the threshold of FMR 0.1 % on LFW's View 2, of the reference model. ``--quick`` uses fewer photos.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from benchmarks.faces.damaged_crops import DAMAGE
from benchmarks.lfw import IMAGENET
from benchmarks.measure import Result, arguments, report, row
from likewise.data.embeddings import NORM, Embeddings, read_embeddings
from likewise.data.preprocess import Preprocess
from likewise.data.protocols import read_pairs
from likewise.errors import MissingExtra
from likewise.evaluation.experiment import Experiment, evaluate
from likewise.evaluation.findings import evaluate_tasks
from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder
from likewise.faces.quality import assess as limits
from likewise.faces.quality.sharpness import contrast_of, sharpness_of
from likewise.models.embedder import Embedder
from likewise.models.onnx.backbone import OnnxBackbone

Floats = NDArray[np.float64]
PER_PERSON = 20  # genuine pairs at most, so that nobody with many photos decides


def reference_experiment(data: Path) -> tuple[Experiment, Embeddings]:
    """View 2 with the stored raw embeddings of the reference model."""
    lfw = data / "lfw"
    stored = lfw / "reference_embeddings_128.npy"
    raw = read_embeddings(stored, lfw / "reference_embeddings_files.txt")
    norms = pa.array(np.linalg.norm(raw.vectors, axis=1), pa.float32())
    embeddings = Embeddings(raw.vectors, raw.items.append_column(NORM, norms))
    return evaluate(embeddings, read_pairs(lfw / "protocol" / "pairs.txt")), embeddings


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of numbers."""
    print(f"\n{title}\n" + " | ".join(columns))
    for cells in rows:
        print(" | ".join(f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells))


def damage(
    data: Path, experiment: Experiment, embeddings: Embeddings, count: int, threshold: float
) -> dict[str, dict[str, float]]:
    """FNMR, signals and the share with a reason after one photo of each pair is damaged."""
    model = data / "models" / "mobilefacenet_ms1m_128.onnx"
    embedder = Embedder(OnnxBackbone(model), Preprocess(112, 112, **IMAGENET))
    unit = embeddings.vectors / np.linalg.norm(embeddings.vectors, axis=1)[:, None]
    genuine = np.flatnonzero(experiment.same)
    chosen = genuine[:: max(1, len(genuine) // count)]
    left, right = experiment.left[chosen], experiment.right[chosen]
    files = [data / "lfw" / "aligned112" / embeddings.names[n] for n in left.tolist()]
    crops = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    all_norms = np.sort(embeddings.items[NORM].to_numpy())
    found = {}
    for name, change in DAMAGE.items():
        changed = [change(crop) for crop in crops]
        raw = embedder.embed(changed, normalize=False)
        norms = np.linalg.norm(raw, axis=1)
        scores = (raw * unit[right]).sum(axis=1) / norms
        sharp = np.array([sharpness_of(crop) for crop in changed])
        contrast = np.array([contrast_of(crop) for crop in changed])
        flat = contrast < limits.FLAT
        noticed = flat | (sharp < limits.BLURRED) | (sharp > limits.NOISY)
        if name.endswith("eyes"):
            noticed |= float(name.split()[0]) < limits.SMALL
        found[name] = {
            "FNMR %": 100 * float((scores < threshold).mean()),
            "sharpness": float(np.median(sharp)),
            "contrast": float(np.median(contrast)),
            "norm percentile": float(np.median(np.searchsorted(all_norms, norms)) / len(all_norms)),
            "with a reason %": 100 * float(noticed.mean()),
        }
    return found


# How recognition falls with the signals of real faces


def found_in_crops(data: Path, names: Sequence[str]) -> dict[int, Face]:
    """The face in the middle of each aligned crop, by row; the detector misses a few."""
    finder, found = FaceFinder(), {}
    for number, name in enumerate(names):
        for face in finder.find(data / "lfw" / "aligned112" / name):
            if abs(face.points.mean(axis=0) - 56).max() < 25:
                found[number] = face
                break
    return found


def rejections(
    faces: dict[int, Face], embeddings: Embeddings, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Genuine pairs of the faces, at most 20 a person, and whether each is rejected."""
    random, rows = np.random.default_rng(0), np.array(list(faces))
    labels = embeddings.labels[rows]
    unit = embeddings.vectors / np.linalg.norm(embeddings.vectors, axis=1)[:, None]
    left: list[int] = []
    right: list[int] = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        i, j = np.triu_indices(len(own), 1)
        some = random.permutation(len(i))[:PER_PERSON]
        left += own[i[some]].tolist()
        right += own[j[some]].tolist()
    a, b = np.array(left), np.array(right)
    scores = (unit[rows[a]] * unit[rows[b]]).sum(axis=1)
    return a, b, scores < threshold


def mean_face(points: Floats) -> dict[str, float]:
    """The proportions of frontal faces, and the depth of the nose, from points [N,5,2].

    With the distance between eyes and mouth as the unit, a head that is turned by an angle a
    shows eyes·cos a, and its nose is moved by depth·sin a.
    """
    eyes, mouth = (points[:, 0] + points[:, 1]) / 2, (points[:, 3] + points[:, 4]) / 2
    down = mouth - eyes
    length = np.linalg.norm(down, axis=1)
    down /= length[:, None]
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    nose = points[:, 2] - eyes
    aside = (nose * across).sum(axis=1) / length
    apart = abs(((points[:, 1] - points[:, 0]) * across).sum(axis=1)) / length
    wide = abs(((points[:, 4] - points[:, 3]) * across).sum(axis=1)) / length
    frontal = abs(aside) < 0.03
    unit = float(np.median(apart[frontal]))
    turned = abs(aside) > 0.25  # below, the differences between people are larger
    squares, lost = aside[turned] ** 2, 1 - (apart[turned] / unit) ** 2
    return {
        "mouth below the eyes": 1 / unit,
        "nose below the eyes": float(
            np.median((nose * down).sum(axis=1)[frontal] / length[frontal])
        )
        / unit,
        "half the mouth": float(np.median(wide[frontal])) / unit / 2,
        "nose before the eyes": float(np.sqrt((squares @ squares) / (squares @ lost))) / unit,
    }


def by_signal(faces: dict[int, Face], embeddings: Embeddings, threshold: float) -> None:
    """Print FNMR by the worse photo of each pair, in bins of each signal."""
    a, b, rejected = rejections(faces, embeddings, threshold)
    all_signals = [face.signals for face in faces.values()]
    bins = {
        "yaw": (0, 10, 20, 25, 30, 40, 90),
        "pitch": (0, 10, 20, 25, 30, 90),
        "sharpness": (0, 0.003, 0.004, 0.005, 0.006, 0.01, 0.02, 1),
        "landmark_score": (0, 0.9, 0.95, 0.98, 0.99, 0.999, 1.01),
        "score": (0, 0.88, 0.89, 0.9, 0.91, 0.92, 1),
    }
    print(f"\nall pairs: {len(a):,}, FNMR {100 * rejected.mean():.2f} %")
    for name, edges in bins.items():
        values = np.abs([signals[name] for signals in all_signals])
        worse = np.maximum if name in ("yaw", "pitch") else np.minimum
        worst = worse(values[a], values[b])
        rates = []
        for low, high in pairwise(edges):
            some = (worst >= low) & (worst < high)
            if some.any():
                rates.append((low, high, int(some.sum()), 100 * float(rejected[some].mean())))
        table(f"by {name} of the worse photo", ("from", "to", "pairs", "FNMR %"), rates)
    given = np.array([bool(face.reasons) for face in faces.values()])
    either = given[a] | given[b]
    print(f"\nwith a reason: {100 * given.mean():.1f} % of faces")
    for title, some in (("pairs with one", either), ("others", ~either)):
        if some.any():
            print(f"FNMR of {title}: {100 * rejected[some].mean():.2f} % of {some.sum():,}")


# Raw photos: how many faces get a reason


def in_photos(data: Path) -> tuple[float, float]:
    """Print what faces of raw photos get; the shares with a reason in LFW and in WIDER FACE."""
    finder = FaceFinder()
    files = sorted((data / "lfw" / "raw_sample").rglob("*.jpg"))
    portraits = [faces[0] for file in files if (faces := finder.find(file))]
    wider = data / "faces" / "wider416"
    entries = json.loads((wider / "boxes.json").read_text())
    crowd, false = [], []
    for name, entry in list(entries.items()):
        photo = Image.open(next(wider.rglob(name))).convert("RGB").resize(entry["original_size"])
        scale = np.array(entry["original_size"]) / 416
        boxes = np.array(entry["boxes"], float).reshape(-1, 4) * [*scale, *scale]
        for face in finder.find(photo):
            (crowd if overlap(face.box, boxes) > 0.3 else false).append(face)
    for title, faces in (("LFW raw sample", portraits), ("WIDER FACE", crowd), ("false", false)):
        if not faces:
            continue
        kinds = [reason.split(":")[0] for face in faces for reason in face.reasons]
        shares = [(kind, 100 * kinds.count(kind) / len(faces)) for kind in sorted(set(kinds))]
        some = 100 * float(np.mean([bool(face.reasons) for face in faces]))
        table(f"{title}: {len(faces)} faces, {some:.1f} % with a reason", ("reason", "%"), shares)
        for name in ("eye_distance", "sharpness", "yaw", "landmark_score", "score"):
            values = [face.signals[name] for face in faces]
            print(name, np.quantile(values, (0.01, 0.05, 0.5, 0.95, 0.99)).round(4))
    return (
        float(np.mean([bool(face.reasons) for face in portraits])),
        float(np.mean([bool(face.reasons) for face in false])) if false else 1.0,
    )


def overlap(box: Sequence[float], boxes: Floats) -> float:
    """The largest intersection over union of a box with others [N,4]."""
    if not len(boxes):
        return 0.0
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], np.add(box[:2], box[2:]))
    both = np.clip(high - low, 0, None).prod(axis=1)
    return float((both / (boxes[:, 2:].prod(axis=1) + box[2] * box[3] - both)).max())


def results(*, quick: bool) -> list[Result]:
    folder = os.environ.get("LIKEWISE_DATA")
    if not folder:
        print("quality: skipped; LIKEWISE_DATA is not set", file=sys.stderr)
        return []
    data = Path(folder)
    experiment, embeddings = reference_experiment(data)
    threshold = experiment.measured.at(1e-3).threshold
    assert threshold is not None
    (curve,) = evaluate_tasks(experiment, embeddings, tasks=[]).quality
    fnmr = {point.share: 100 * point.fnmr.value for point in curve.points}
    table("norm: discarded, FNMR %", ("share", "FNMR %"), list(fnmr.items()))
    found = [
        row("quality.norm_fnmr_0", fnmr[0.0], "%", "= 1.43", abs(fnmr[0.0] - 1.43) < 0.01),
        row("quality.norm_fnmr_20", fnmr[0.2], "%", "≤ 0.60", fnmr[0.2] <= 0.6),
        row(
            "quality.norm_area_to_random",
            curve.to_random.value,
            "",
            "< 1",
            curve.to_random.high < 1,
        ),
    ]
    changed = damage(data, experiment, embeddings, 150 if quick else 1000, threshold)
    columns = ("damage", *changed["none"])
    table("damage", columns, [(name, *values.values()) for name, values in changed.items()])
    found += [
        row("quality.reasons_undamaged", changed["none"]["with a reason %"], "%", "≤ 2",
            changed["none"]["with a reason %"] <= 2),
        row("quality.reasons_blur_2", changed["blur σ 2"]["with a reason %"], "%", "≥ 80",
            changed["blur σ 2"]["with a reason %"] >= 80),
    ]  # fmt: skip
    try:
        names = embeddings.names
        used = np.union1d(experiment.left, experiment.right).tolist()
        rows = used[: len(used) // 8] if quick else used  # in the order of the people
        faces = {
            rows[n]: face
            for n, face in found_in_crops(data, [names[number] for number in rows]).items()
        }
    except MissingExtra as error:
        print(f"quality: {error}", file=sys.stderr)
        return found
    points = np.array([face.points for face in faces.values()], np.float64)
    table("mean face, in units of the eye distance", ("", ""), list(mean_face(points).items()))
    by_signal(faces, embeddings, threshold)
    portraits, false = in_photos(data)
    return [
        *found,
        row("quality.reasons_lfw_raw", 100 * portraits, "%", "≤ 5", portraits <= 0.05),
        row("quality.reasons_false_faces", 100 * false, "%"),
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
