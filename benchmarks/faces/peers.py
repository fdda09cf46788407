"""Other programs that find faces, timed in their own Python: started by benchmarks.faces.

It imports nothing of Likewise, so that it runs where the peers are installed. Each line of its
input is a JSON list [peer, photo, …]; it answers with the number of faces, once they are found.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MODELS = "face_recognition_models"


@cache
def facenet_pytorch() -> Callable[[Path], int]:
    """MTCNN: boxes and points, its three networks; the embedder's weights are in no package."""
    from facenet_pytorch import MTCNN

    network = MTCNN(keep_all=True, post_process=False, device="cpu")

    def find(photo: Path) -> int:
        boxes, _, _ = network.detect(Image.open(photo).convert("RGB"), landmarks=True)
        return 0 if boxes is None else len(boxes)

    return find


@cache
def dlib() -> Callable[[Path], int]:
    """The HOG detector, 68 points and the face network with 128 numbers."""
    import dlib

    spec = find_spec(MODELS)
    assert spec is not None
    assert spec.origin is not None
    weights = Path(spec.origin).parent / "models"
    detector: Any = dlib.get_frontal_face_detector()
    points: Any = dlib.shape_predictor(str(weights / "shape_predictor_68_face_landmarks.dat"))
    network: Any = dlib.face_recognition_model_v1(
        str(weights / "dlib_face_recognition_resnet_model_v1.dat")
    )

    def find(photo: Path) -> int:
        pixels = np.array(Image.open(photo).convert("RGB"))
        boxes = detector(pixels, 0)
        for box in boxes:
            network.compute_face_descriptor(pixels, points(pixels, box))
        return len(boxes)

    return find


PEERS = {"facenet-pytorch": facenet_pytorch, "dlib": dlib}
NEEDS = {"facenet-pytorch": ("facenet_pytorch",), "dlib": ("dlib", MODELS)}

if __name__ == "__main__":
    if "--list" in sys.argv:
        here = [name for name, needs in NEEDS.items() if all(map(find_spec, needs))]
        print(json.dumps(here))
        raise SystemExit
    for line in sys.stdin:
        name, *photos = json.loads(line)
        find = PEERS[name]()
        print(sum(find(Path(photo)) for photo in photos), flush=True)
