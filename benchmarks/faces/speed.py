"""Speed of finding and embedding faces beside other programs, and the memory of a large photo."""

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
from PIL import Image

from benchmarks.measure import Result, interleaved, peak_gib, row
from likewise.data.formats import read_manifest
from likewise.models.embedder import Embedder
from likewise.models.export import export
from likewise.models.inference import forward
from likewise.models.loading import load
from likewise.recognition.recognizer import Recognizer

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
            timed += [lambda n=name, s=some: peers.find(n, s) for name in names]  # type: ignore[misc, union-attr]  # names are of peers
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
                lambda e=e, s=some: forward(e.module, e.preprocess, s)  # type: ignore[misc]  # defaults bind e and s
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
