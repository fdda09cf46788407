"""Faces from photo to decision: speed beside other programs, memory, and accuracy on LFW.

python -m benchmarks.faces [--quick] [--json FILE]

LIKEWISE_DATA is the folder of real data. LIKEWISE_FACE_PEERS is a Python that has the peers
installed, in an environment of their own, because facenet-pytorch asks for an old torch:

    python -m venv peers && peers/bin/pip install torch torchvision requests
    peers/bin/pip install --no-deps facenet-pytorch==2.6.0 dlib-bin face-recognition-models==0.1.3
    LIKEWISE_FACE_PEERS=peers/bin/python python -m benchmarks.faces

deepface and insightface are not among them: they download their weights when they first run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, ImageFilter

from benchmarks.measure import Result, arguments, interleaved, peak_gib, report, row
from likewise.data.formats import read_manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import LikewiseError
from likewise.faces.choice import prominent
from likewise.models.embedder import Embedder
from likewise.models.inference import forward
from likewise.models.loading import load
from likewise.models.operating_point import OperatingPoint
from likewise.recognition.people_gallery import PeopleGallery
from likewise.recognition.recognizer import RecognizedPhoto, Recognizer

PEERS = "LIKEWISE_FACE_PEERS"
PROGRAM = Path(__file__).with_name("peers.py")


class Peers:
    """The other programs, in a process of their own."""

    def __init__(self, python: str) -> None:
        here = subprocess.run(
            [python, str(PROGRAM), "--list"], capture_output=True, text=True, check=True
        )
        self.names: list[str] = json.loads(here.stdout)
        self._process = subprocess.Popen(
            [python, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def find(self, name: str, photos: Sequence[Path]) -> int:
        """The number of faces that a peer finds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *map(str, photos)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def enlarged(photo: Path, folder: Path) -> Path:
    """The photo in the middle of one of 1920×1080 pixels, as a camera would show the face."""
    large = Image.new("RGB", (1920, 1080), (90, 100, 110))
    large.paste(Image.open(photo).resize((1080, 1080), Image.Resampling.BICUBIC), (420, 0))
    path = folder / photo.name
    large.save(path, quality=90)
    return path


def beside_peers(recognizer: Recognizer, photos: Sequence[Path], rounds: int) -> list[Result]:
    """Detect, align and embed, over what a peer does with the same photos."""
    found: list[Result] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        python, peers = os.environ.get(PEERS), None
        if python:
            peers = stack.enter_context(Peers(python))
        else:
            print(f"faces: no peers; name their Python in {PEERS}", file=sys.stderr)
        sizes = {"250": list(photos[:8]), "1080p": [enlarged(p, Path(folder)) for p in photos[:2]]}
        for size, some in sizes.items():

            def ours(some: Sequence[Path] = some) -> None:
                for photo in some:
                    recognizer.faces_of(photo)

            def detection(some: Sequence[Path] = some) -> None:
                for photo in some:
                    recognizer.examine(photo)

            timed: list[Callable[[], object]] = [ours, detection]
            names = [] if peers is None else peers.names
            timed += [lambda n=name, s=some: peers.find(n, s) for name in names]  # type: ignore[misc, union-attr]
            mine, alone, *others = interleaved(timed, rounds)
            found.append(row(f"faces.photos_s_{size}", len(some) / median(mine), "1/s"))
            for name, seconds in zip(names, others, strict=True):
                ratio = median(b / a for a, b in zip(mine, seconds, strict=True))
                if name != "facenet-pytorch":
                    found.append(row(f"faces.vs_{name}_{size}", ratio, "x", ">= 1.0", ratio >= 1))
                else:  # it only finds and aligns: it has no weights to embed with
                    found.append(row(f"faces.with_embedding_vs_{name}_{size}", ratio, "x"))
                    ratio = median(b / a for a, b in zip(alone, seconds, strict=True))
                    found.append(row(f"faces.vs_{name}_{size}", ratio, "x", ">= 2.0",
                                     ratio >= 2))  # fmt: skip
    return found


def parts(recognizer: Recognizer, photo: Path, rounds: int) -> list[Result]:
    """The latency of one photo of 250 pixels, and of its parts."""
    finder, embedder = recognizer.finder, recognizer.embedder
    image = Image.open(photo).convert("RGB")
    pixels = np.asarray(image)
    boxes = finder.detector.detect(pixels).boxes[:1]
    (face, *_) = finder.find(image)
    steps: dict[str, Callable[[], object]] = {
        "whole": lambda: recognizer.faces_of(photo),
        "decode": lambda: Image.open(photo).convert("RGB"),
        "detect": lambda: finder.detector.detect(pixels),
        "points": lambda: finder.landmarker.locate(image, boxes),
        "embed": lambda: embedder.embed([face.crop]),
    }
    seconds = interleaved(list(steps.values()), rounds)
    return [
        row(f"faces.{name}_ms", 1000 * median(found), "ms")
        for name, found in zip(steps, seconds, strict=True)
    ]


def onnx_over_torch(embedder: Embedder, crops: Path, rounds: int) -> list[Result]:
    """The embedding rate of ONNX Runtime over torch, in float32 and in int8 as exported."""
    try:
        from likewise.models.export import export
    except ImportError:
        print("faces: no export here, so ONNX is not compared with torch", file=sys.stderr)
        return []
    found = []
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (16, 3, 112, 112), dtype=np.uint8))
    everyone = read_manifest(crops)
    some_photos = everyone.take(random.permutation(len(everyone))[:64])
    with tempfile.TemporaryDirectory() as folder:
        others = {}
        for kind in ("float32", "int8"):
            path = Path(folder) / f"{kind}.onnx"
            int8 = kind == "int8"
            export(embedder, path, int8=int8, photos=some_photos if int8 else None)
            others[kind] = load(path)
        for batch in (1, 16):
            some = pixels[:batch]
            sides = [embedder, *others.values()]
            timed = [
                lambda e=e, s=some: forward(e.module, e.preprocess, s)  # type: ignore[misc]
                for e in sides
            ]
            ours, *rest = interleaved(timed, rounds)
            for kind, seconds in zip(others, rest, strict=True):
                ratio = median(a / b for a, b in zip(ours, seconds, strict=True))
                found.append(row(f"faces.embed_onnx_{kind}_vs_torch_{batch}", ratio, "x"))
    return found


def memory(photo: Path) -> list[Result]:
    """The peak memory of finding the faces of a photo of 40 megapixels, beyond an idle finder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jpg"
        Image.open(photo).convert("RGB").resize((6324, 6324)).save(path, quality=85)
        code = "from likewise.faces.finder import FaceFinder\nfinder = FaceFinder()\n"
        idle = peak_gib(f"{code}finder.find({str(photo)!r})")
        busy = peak_gib(f"{code}finder.find({str(photo)!r})\nfinder.find({str(path)!r})")
    return [
        row("faces.peak_gib_40mp", busy, "GiB", "<= 1.5", busy <= 1.5),
        row("faces.peak_gib_40mp_beyond_idle", busy - idle, "GiB"),
    ]


def detected_beside_given(recognizer: Recognizer, lfw: Path) -> list[Result]:
    """Verification of all 9,045 pairs of the raw photos: own crops and the given ones."""
    photos = sorted((lfw / "raw_sample").rglob("*.jpg"))
    given = recognizer.embedder.embed(
        [lfw / "aligned112" / photo.parent.name / photo.name for photo in photos]
    )
    own, several, unclear = [], 0, 0
    for photo, one in zip(photos, recognizer.recognize_many(photos), strict=True):
        assert isinstance(one, RecognizedPhoto), photo
        faces = one.faces
        several += len(faces) > 1
        unclear += prominent(one.found.faces, one.found.size) is None
        middle = np.array([125, 125])
        boxes = np.array([face.face.box for face in faces])
        apart = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - middle, axis=1)
        own.append(faces[int(apart.argmin())].vector)
    who = np.array([photo.parent.name for photo in photos])
    left, right = np.triu_indices(len(photos), 1)
    same = who[left] == who[right]
    accuracies = []
    for vectors in (given, np.stack(own)):
        scores = (vectors[left] * vectors[right]).sum(1)
        limits = np.unique(scores)
        true = 1 - np.searchsorted(np.sort(scores[same]), limits) / same.sum()
        false = 1 - np.searchsorted(np.sort(scores[~same]), limits) / (~same).sum()
        # Of as many genuine as impostor pairs, as in LFW's protocol.
        accuracies.append(100 * float(((true + 1 - false) / 2).max()))
    cosine = (given * np.stack(own)).sum(1)
    lost = accuracies[0] - accuracies[1]
    return [
        row("faces.lfw_given_accuracy", accuracies[0], "%"),
        row("faces.lfw_detected_accuracy", accuracies[1], "%"),
        row("faces.lfw_lost_by_detection", lost, "points", "<= 0.5", lost <= 0.5),
        row("faces.lfw_photos_with_several_faces", several, ""),
        row("faces.lfw_photos_of_which_it_is_unclear_who_is_meant", unclear, ""),
        row("faces.lfw_cosine_median", float(np.median(cosine)), "", ">= .98",
            float(np.median(cosine)) >= 0.98),
        row("faces.lfw_cosine_p5", float(np.quantile(cosine, 0.05)), "", ">= .93",
            float(np.quantile(cosine, 0.05)) >= 0.93),
    ]  # fmt: skip


def identification(lfw: Path) -> list[Result]:
    """All people of LFW with two photos or more against all others, at the default threshold.

    From the stored embeddings of the reference model, whose thresholds are measured on the people
    whose names begin with A to K, and tested on the others.
    """
    vectors = np.load(lfw / "reference_embeddings_128.npy")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    files = (lfw / "reference_embeddings_files.txt").read_text().split()
    who = np.array([file.split("/")[0] for file in files])
    early = np.array([name[0] < "L" for name in who])
    points = measured_points(vectors[early], who[early])
    stand_in = Embedder(torch.nn.Flatten(), Preprocess(8, 8), operating_points=points)
    found = []
    vectors, who = vectors[~early], who[~early]
    _, person, count = np.unique(who, return_inverse=True, return_counts=True)
    random = np.random.default_rng(0)
    strangers = np.flatnonzero(count[person] == 1)
    for photos in (1, 3, 10):
        known = np.flatnonzero(count > photos)
        rows = [random.permutation(np.flatnonzero(person == one)) for one in known]
        enrolled = np.concatenate([own[:photos] for own in rows])
        probes = np.concatenate([own[photos : photos + 3] for own in rows])
        for pooling in ("mean", "best") if photos > 1 else ("mean",):
            people = PeopleGallery(
                vectors[enrolled], list(who[enrolled]), [""] * len(enrolled), stand_in,
                pooling=pooling,
            )  # fmt: skip
            mated, others = people.identify(vectors[probes]), people.identify(vectors[strangers])
            pairs = list(zip(mated, who[probes], strict=True))
            name = f"faces.{len(known)}_people_{photos}_photos_{pooling}"
            first = 100 * float(np.mean([one.candidates[0].name == own for one, own in pairs]))
            missed = 100 * float(np.mean([one.name != own for one, own in pairs]))
            false = 100 * float(np.mean([one.name is not None for one in others]))
            found += [
                row(f"{name}_rank1", first, "%"),
                row(f"{name}_fnir", missed, "%"),
                row(f"{name}_fpir_of_1", false, "%", "<= 2", false <= 2),
            ]
    return found


def measured_points(vectors: np.ndarray, who: np.ndarray) -> list[OperatingPoint]:
    """Thresholds from three million random impostor pairs."""
    random = np.random.default_rng(1)
    left, right = random.integers(0, len(vectors), (2, 3_000_000))
    different = who[left] != who[right]
    left, right = left[different], right[different]
    parts = [slice(start, start + 100_000) for start in range(0, len(left), 100_000)]
    scores = np.concatenate(
        [np.einsum("nd,nd->n", vectors[left[part]], vectors[right[part]]) for part in parts]
    )
    scores = np.sort(scores)[::-1]
    return [
        OperatingPoint(float(scores[int(fmr * len(scores))]), fmr, 1.0, 1, len(scores), target=fmr)
        for fmr in (1e-2, 1e-3, 1e-4, 1e-5)
    ]


def poor_faces(embedder: Embedder, lfw: Path, people: int) -> list[Result]:
    """FMR and FNMR at the threshold of the model with one poor photo of a pair, and with two."""
    folders = [folder for folder in sorted((lfw / "aligned112").iterdir())
               if len(list(folder.iterdir())) > 1]  # fmt: skip
    chosen = np.random.default_rng(0).permutation(len(folders))[:people]
    sides = [
        [Image.open(sorted(folders[row].iterdir())[take]).convert("RGB") for row in chosen]
        for take in (0, 1)
    ]
    assert embedder.operating_point is not None
    limit = embedder.operating_point.threshold
    clear = embedder.embed(sides[0])
    different = ~np.eye(len(chosen), dtype=bool)
    found = []
    for name, spoil in SPOILED.items():
        one, other = (embedder.embed([spoil(crop) for crop in side]) for side in sides)
        for kind, left in (("one", clear), ("both", one)):
            scores = left @ other.T
            fmr = float((scores[different] >= limit).mean())
            fnmr = float((np.diag(scores) < limit).mean())
            bar, holds = ("<= .005", fmr <= 0.005) if kind == "one" else ("–", True)
            found += [
                row(f"faces.{name}_{kind}_poor_fmr", fmr, "", bar, holds),
                row(f"faces.{name}_{kind}_poor_fnmr", fnmr, ""),
            ]
    return found


def shrunk(crop: Image.Image) -> Image.Image:
    small = crop.resize((14, 14), Image.Resampling.BOX)
    return small.resize(crop.size, Image.Resampling.BICUBIC)


SPOILED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda crop: crop.filter(ImageFilter.GaussianBlur(4)),
    "shrunk": shrunk,
}


def results(*, quick: bool) -> list[Result]:
    data = os.environ.get("LIKEWISE_DATA")
    if not data:
        print("faces: skipped; LIKEWISE_DATA is not set", file=sys.stderr)
        return []
    lfw = Path(data) / "lfw"
    try:
        recognizer = Recognizer(load("sface"))
    except LikewiseError as error:
        print(f"faces: skipped; {error}", file=sys.stderr)
        return []
    photos = sorted((lfw / "raw_sample").rglob("*.jpg"))[::17]
    rounds = 3 if quick else 15
    found = [
        *parts(recognizer, photos[0], 2 * rounds),
        *beside_peers(recognizer, photos, rounds),
        *identification(lfw),
        *memory(photos[0]),
        *poor_faces(recognizer.embedder, lfw, 40 if quick else 250),
    ]
    if not quick:
        found += onnx_over_torch(recognizer.embedder, lfw / "aligned112", rounds)
        found += detected_beside_given(recognizer, lfw)
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
