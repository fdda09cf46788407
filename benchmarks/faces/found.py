"""Faces found in photos: upright, turned, in groups, none, and small ones in crowds.

python -m benchmarks.faces.found [--quick] [--json FILE]

LIKEWISE_DATA is the folder of real data. ``--quick`` takes fewer photos.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measure import Result, arguments, fresh, report, row
from likewise.faces.detectors.detector import Detections
from likewise.faces.detectors.suppression import overlaps
from likewise.faces.detectors.yunet import YuNet
from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder

IMAGENET = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
LOST = 0.005  # of the recall of YuNet alone: what refusing half of its false faces may cost
SIZES = ((20, 1e9), (20, 40), (40, 80), (80, 1e9))  # heights in pixels of the original photo
SAME, NEAR = 0.5, 0.3  # intersection over union: found; below, off any label

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def reference(path: Path) -> Embed:
    """The reference model, by itself: crops to unit vectors."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)

    def embed(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = ((crop / 255 - IMAGENET[0]) / IMAGENET[1]).astype(np.float32)
        (vector,) = session.run(None, {"input0": pixels.transpose(2, 0, 1)[None]})[0]
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    return embed


def lfw(data: Path, finder: FaceFinder, *, quick: bool) -> Iterator[Result]:
    """Photos of LFW as they were taken, also turned: cosines to the given crops."""
    embed = reference(data / "models/mobilefacenet_ms1m_128.onnx")
    photos = sorted((data / "lfw/raw_sample").rglob("*.jpg"))
    given = data / "lfw/aligned112"
    for degrees in (0, 30, 45, 60, 90, 180):
        step = (3 if degrees else 1) * (3 if quick else 1)
        cosines = []
        for path in photos[::step]:
            photo = Image.open(path).convert("RGB")
            if degrees:
                photo = photo.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
            faces = finder.find(photo)
            if not faces:
                continue
            face = _central(faces, photo.size)
            crop = np.asarray(Image.open(given / path.parent.name / path.name).convert("RGB"))
            cosines.append(float(embed(face.crop) @ embed(crop)))
        found, total = len(cosines), len(photos[::step])
        low, median = np.percentile(cosines, [5, 50])
        name = f"faces.lfw_turned_{degrees}" if degrees else "faces.lfw"
        least = total if not degrees else total * 42 / 45
        yield row(f"{name}_found", found, f"of {total}", f">= {least:g}", found >= least)
        bar = 0.94 if degrees else 0.98
        yield row(f"{name}_cosine_median", median, "", f">= {bar}", median >= bar)
        yield row(f"{name}_cosine_p5", low, "", ">= 0.93", low >= 0.93)


LARGE = """
import time
from pathlib import Path
from PIL import Image
from benchmarks.measure import resident_bytes
from likewise.faces.finder import FaceFinder
photo = Image.open({path!r}).convert("RGB")
finder = FaceFinder()
finder.find(photo)
large = Path({large!r})
photo.resize((7304, 5478)).save(large, quality=90)
del photo
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before, start = resident_bytes(), time.process_time()
finder.find(large)
print((resident_bytes(peak=True) - before) / 2**20, time.process_time() - start)
"""


def cost(data: Path, finder: FaceFinder) -> Iterator[Result]:
    """CPU time of small photos, and time and memory of one of 40 megapixels."""
    photos = sorted((data / "lfw/raw_sample").rglob("*.jpg"))[::3]
    start = time.process_time()
    for path in photos:
        finder.find(path)
    yield row("faces.ms_250_pixels", 1000 * (time.process_time() - start) / len(photos), "ms")
    with tempfile.TemporaryDirectory() as folder:
        names = {"path": str(data / "faces/voc_faces/bald_guys.jpg"), "large": f"{folder}/a.jpg"}
        memory, seconds = map(float, fresh(LARGE.format(**names)).split()[-2:])
    yield row("faces.s_40_megapixels", seconds, "s")
    yield row("faces.mib_40_megapixels", memory, "MiB", "<= 512", memory <= 512)


def _central(faces: Sequence[Face], size: tuple[int, int]) -> Face:
    middle = np.array(size) / 2
    return min(faces, key=lambda one: float(np.linalg.norm(one.points.mean(0) - middle)))


def groups(folder: Path, finder: FaceFinder) -> Iterator[Result]:
    """The labeled faces of nine photos, a collage of 24, and dogs."""
    found = extra = total = 0
    for name in ("training", "testing"):
        for image in ElementTree.parse(folder / f"{name}.xml").getroot().iter("image"):
            labels = np.array(
                [[float(box.get(key, 0)) for key in ("left", "top", "width", "height")]
                 for box in image.iter("box")]
            )  # fmt: skip
            boxes = np.array(
                [face.box for face in finder.find(folder / Path(image.get("file", "")).name)]
            )
            same = overlaps(labels, boxes.reshape(-1, 4)) >= NEAR
            found, total = found + int(same.any(1).sum()), total + len(labels)
            extra += int((~same.any(0)).sum())
    yield row("faces.groups_found", found, f"of {total}", f">= {total}", found >= total)
    yield row("faces.groups_extra", extra, "faces", "<= 1", extra <= 1)
    for name, faces in (("bald_guys", 24), ("dogs", 0)):
        count = len(finder.find(folder / f"{name}.jpg"))
        yield row(f"faces.{name}", count, "faces", f"= {faces}", count == faces)


def crowds(folder: Path, finder: FaceFinder, *, quick: bool) -> Iterator[Result]:
    """Recall by the height of the faces, and faces off any label, beside the bare detector."""
    labels = json.loads((folder / "boxes.json").read_text())
    yunet = YuNet()

    def bare(photo: Image.Image) -> Detections:
        return yunet.detect(np.asarray(photo))

    def whole(photo: Image.Image) -> Detections:
        faces = sorted(finder.find(photo), key=lambda face: -face.score)
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        return Detections(boxes, np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))

    chosen = list(labels)[:: 6 if quick else 1]
    recalls, false = {}, {}
    for name, detect in (("yunet", bare), ("faces", whole)):
        hits, totals, false[name] = np.zeros(len(SIZES)), np.zeros(len(SIZES)), 0
        for file in chosen:
            size = labels[file]["original_size"]
            photo = Image.open(folder / file).convert("RGB").resize(size, Image.Resampling.BICUBIC)
            true = np.array(labels[file]["boxes"]) * np.tile(np.array(size) / 416, 2)
            boxes = detect(photo).boxes
            shared = overlaps(boxes, true)
            false[name] += int((shared.max(1, initial=0) < NEAR).sum())
            found = _matched(shared)
            heights = np.array(labels[file]["original_heights"])
            for kind, (low, high) in enumerate(SIZES):
                mine = (heights >= low) & (heights < high)
                totals[kind] += mine.sum()
                hits[kind] += (mine & found).sum()
        recalls[name] = hits / totals
    for kind, (low, high) in enumerate(SIZES):
        name = f"faces.crowd_recall_{low}" + (f"_{high:.0f}" if high < 1e9 else "")
        ours, theirs = recalls["faces"][kind], recalls["yunet"][kind]
        if kind and quick:  # a few dozen faces: one of them decides
            yield row(name, ours, "")
        else:
            bar = f">= YuNet alone, {theirs:.3f}, less {LOST}"
            yield row(name, ours, "", bar, ours >= theirs - LOST)
    bar = f"< YuNet alone: {false['yunet']}"
    yield row("faces.crowd_false", false["faces"], "faces", bar, false["faces"] < false["yunet"])


def _matched(shared: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which labels are found; each detection, best first, takes the nearest that is free."""
    found = np.zeros(shared.shape[1], bool)
    for one in shared:
        free = np.where(found, 0.0, one)
        if free.max(initial=0) >= SAME:
            found[free.argmax()] = True
    return found


def results(*, quick: bool) -> list[Result]:
    """All rows; none without the folder of real data."""
    data = Path(os.environ.get("LIKEWISE_DATA", ""))
    if not (data / "faces").is_dir():
        print("faces_found: no real data; set LIKEWISE_DATA to its folder", file=sys.stderr)
        return []
    finder = FaceFinder()
    return [
        *lfw(data, finder, quick=quick),
        *cost(data, finder),
        *groups(data / "faces/voc_faces", finder),
        *crowds(data / "faces/wider416", finder, quick=quick),
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
