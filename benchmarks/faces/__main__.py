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

import os
import sys
from pathlib import Path

from benchmarks.faces.decisions import detected_beside_given, identification, poor_faces
from benchmarks.faces.speed import beside_peers, memory, onnx_over_torch, parts
from benchmarks.measure import Result, arguments, report
from likewise.errors import LikewiseError
from likewise.models.loading import load
from likewise.recognition.recognizer import Recognizer


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
