"""The runs of ``benchmarks.hard_negatives``: photos, a short training, and its evaluation."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.orl import orl_faces
from likewise.data.pairs import Pairs, draw_pairs, match_names
from likewise.data.preprocess import Preprocess
from likewise.data.protocols import read_pairs
from likewise.data.sampler import BalancedBatches
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.losses import Triplet
from likewise.mining import CollapseDetector, Curriculum, pair_masks
from likewise.models.backbones.contrastnet import ContrastNet, ContrastStem

STORED, SIDE = 36, 32  # pixels: of a photo, and of the crop that the network sees
PEOPLE, PHOTOS = 20, 4  # of a batch
MOST_PHOTOS = 10  # of one person, as ORL has
MARGIN = 0.2
SIZES = {"lfw_20": 20, "lfw_200": 200, "lfw_2000": 2000}

Labels = NDArray[np.int64]


class Faces(NamedTuple):
    """The training photos of a run, and the test pairs of other people.

    Views are the outputs of ContrastNet's fixed first layer, float32 [N,2,36,36].
    """

    views: Tensor
    labels: Labels
    test_views: Tensor
    pairs: Pairs


@dataclass(frozen=True)
class Run:
    """The settings of one training run.

    Args:
        faces: a key of ``FACES``.
        mining: a name that ``Triplet`` knows.
        squared: compare d², as FaceNet does.
        norm: keep the batch norm at the network's output.
        rate: AdamW's learning rate.
        seed: draws the weights, the batches and the crops.
        steps: number of batches.
    """

    faces: str
    mining: str
    squared: bool
    norm: bool
    rate: float
    seed: int
    steps: int


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Args:
        run: the settings.
        auc: verification AUC on people who are not in the training set.
        fired: whether ``CollapseDetector`` reported a collapse at any step.
        stayed: whether the embedding was still collapsed at the last step.
        course: mean distance of positives and of negatives, and the loss: over the first three
            batches, around a quarter of the run, and over the last ten batches; [3][3].
    """

    run: Run
    auc: float
    fired: bool
    stayed: bool
    course: list[list[float]]


def views(manifest: Manifest) -> Tensor:
    """Both views of every photo, grey, [N,2,36,36]."""
    preprocess = Preprocess(STORED, STORED, 1, mean=(0.5,), std=(0.5,), fit="stretch")
    stem = ContrastStem(STORED)
    pixels = torch.stack([preprocess.pixels(file) for file in manifest.photos()])
    return torch.cat([stem(preprocess.normalise(part)) for part in pixels.split(500)])


def numbered(names: NDArray[np.str_]) -> Labels:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def orl() -> dict[str, Faces]:
    """People 1 to 20 for training, all pairs of the other twenty for the test."""
    manifest = orl_faces()
    people = numbered(np.array(manifest.table["identity"].to_pylist()))
    everyone, train = views(manifest), people < 20
    test = draw_pairs(people[~train])
    return {"orl_20": Faces(everyone[train], people[train], everyone[~train], test)}


def lfw(folder: Path) -> dict[str, Faces]:
    """View 1's test pairs; for training, the people with most photos who are in none of them.

    Among 2,000 there are people with a single photo, whose positives are that photo shifted and
    mirrored; ``lfw_no_singles`` leaves these people out.
    """
    manifest = read_manifest(folder / "aligned112")
    paths, people = (np.array(manifest.table[c].to_pylist()) for c in ("path", "identity"))
    pairs, _ = match_names(read_pairs(folder / "protocol" / "pairsDevTest.txt"), paths.tolist())
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    tested = np.union1d(left, right)
    names, counts = np.unique(people, return_counts=True)
    free = ~np.isin(names, people[tested])
    order = np.argsort(-counts[free], kind="stable")
    names, counts = names[free][order], counts[free][order]
    chosen = {
        size: np.concatenate([np.flatnonzero(people == n)[:MOST_PHOTOS] for n in names[:number]])
        for size, number in SIZES.items()
    }
    largest = chosen["lfw_2000"]
    chosen["lfw_no_singles"] = largest[np.isin(people[largest], names[counts > 1])]
    needed = np.union1d(largest, tested)
    everyone = views(Manifest(manifest.table.take(needed), manifest.root))
    test = everyone[np.searchsorted(needed, tested)]
    found = replace(pairs, left=np.searchsorted(tested, left), right=np.searchsorted(tested, right))
    return {
        size: Faces(everyone[np.searchsorted(needed, rows)], numbered(people[rows]), test, found)
        for size, rows in chosen.items()
    }


FACES: dict[str, Faces] = {}


def prepare(lfw_folder: Path | None) -> None:
    """Decode everything once in this process, which then works with one thread."""
    torch.set_num_threads(1)
    logging.getLogger("likewise.mining").setLevel(logging.ERROR)  # each collapse is counted
    FACES.update(orl())
    if lfw_folder:
        FACES.update(lfw(lfw_folder))


def network(*, norm: bool) -> ContrastNet:
    """ContrastNet without its first layer, which ``views`` computes."""
    model = ContrastNet(height=SIDE, width=SIDE, channels=1, embedding_dim=64, features=8)
    model.stem = nn.Identity()
    if not norm:
        model.features = nn.Identity()
    return model


def criterion(run: Run) -> Triplet:
    """The loss; the curriculum reaches the hardest negatives by half the run."""
    mining = Curriculum(step=2 / run.steps) if run.mining == "curriculum" else run.mining
    return Triplet(margin=MARGIN, mining=mining, squared=run.squared)


def crops(photos: Tensor, random: np.random.Generator) -> Tensor:
    """A random crop of each photo, half of them mirrored."""
    places = random.integers(0, STORED - SIDE + 1, (len(photos), 2))
    cut = [
        photo[:, top : top + SIDE, start : start + SIDE]
        for photo, (top, start) in zip(photos, places.tolist(), strict=True)
    ]
    return torch.stack([
        photo.flip(-1) if mirror else photo
        for photo, mirror in zip(cut, random.random(len(cut)) < 0.5, strict=True)
    ])  # fmt: skip


def outcome(run: Run) -> Outcome:
    """Train with the settings of the run, and evaluate."""
    faces, random = FACES[run.faces], np.random.default_rng(run.seed)
    torch.manual_seed(run.seed)
    model, loss, detector = network(norm=run.norm), criterion(run), CollapseDetector()
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.rate, weight_decay=0)
    plan = BalancedBatches(faces.labels, PEOPLE, PHOTOS, run.seed)
    labels, fired = torch.from_numpy(faces.labels), False
    course: list[list[float]] = []
    epoch = 0
    while len(course) < run.steps:
        for rows in islice(plan.batches(epoch), run.steps - len(course)):
            chosen = torch.from_numpy(rows)
            embeddings = model(crops(faces.views[chosen], random))
            value = loss(embeddings, labels[chosen])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            points = F.normalize(embeddings.detach())
            distances = torch.cdist(points, points)
            same, different = pair_masks(labels[chosen])
            fired |= detector.update(distances, same, different)
            seen = (distances[same].mean(), distances[different].mean(), value.detach())
            course.append([float(number) for number in seen])
        epoch += 1
    quarter = run.steps // 4
    spans = (course[:3], course[quarter - 5 : quarter + 5], course[-10:])
    means = [np.mean(span, axis=0).tolist() for span in spans]
    return Outcome(run, judged(model, faces), fired, bool(detector.collapsed), means)


@torch.no_grad()
def judged(model: ContrastNet, faces: Faces) -> float:
    """The AUC of the cosine on the pairs, from the middle of each photo."""
    edge = (STORED - SIDE) // 2
    middle = faces.test_views[:, :, edge : edge + SIDE, edge : edge + SIDE]
    embeddings = model.eval()(middle).double().numpy()
    left, right = np.asarray(faces.pairs.left), np.asarray(faces.pairs.right)
    return verification(pair_scores(embeddings, left, right), faces.pairs.same).auc
