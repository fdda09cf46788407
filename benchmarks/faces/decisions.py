"""How good decisions are on LFW: verification of raw photos, identification, poor photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from benchmarks.measure import Result, row
from likewise.data.preprocess import Preprocess
from likewise.faces.choice import prominent
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint
from likewise.recognition.people_gallery import PeopleGallery
from likewise.recognition.recognizer import RecognizedPhoto, Recognizer


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
