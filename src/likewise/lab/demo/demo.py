"""The demo: train, evaluate, search and identify on the AT&T/ORL faces.

A network is trained from scratch on twenty people and evaluated on twenty others, beside the
baselines of `likewise.lab.baselines`. Then photos of these twenty are identified without training.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from likewise.data.images import decode
from likewise.data.manifest import Manifest
from likewise.data.orl import orl_faces
from likewise.data.pairs import draw_pairs
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, MissingExtra
from likewise.evaluation.experiment import evaluate
from likewise.evaluation.report.page import write_report
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.lab.baselines import BASELINES
from likewise.lab.demo.without_training import Recognition, recognise
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.search.index import Index
from likewise.storage import new_file, write_json
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.run import TrainingResult, train
from likewise.training.stopping import Interrupted

__all__ = ["DemoOutcome", "MethodResult", "demo_recipe", "run"]

FAR = 1e-2
NEIGHBORS = 5
TRAINED_ON, TESTED_ON = range(1, 21), range(21, 41)
RUN, INDEX, REPORT, PICTURE, RESULT = "run", "index", "report", "search.png", "demo.json"


@dataclass(frozen=True)
class MethodResult:
    """Verification of the unseen people by one method."""

    method: str
    auc: float
    eer: float
    tar: float


@dataclass(frozen=True)
class DemoOutcome:
    """The results of the demo.

    Args:
        rows: the results of each baseline, then of the model.
        probe: the name of the query photo.
        found: the names of its nearest neighbors, and their scores.
        report: the HTML page of the evaluation.
        picture: the probe and its nearest neighbors.
        index: the folder of the index.
        model: the folder of the model.
        recognition: of people without training; None without the extra ``faces``.
        next_steps: the commands for photos of one's own.
    """

    rows: list[MethodResult]
    probe: str
    found: list[tuple[str, float]]
    report: Path
    picture: Path
    index: Path
    model: Path
    recognition: Recognition | None
    next_steps: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **asdict(self),
            "report": str(self.report),
            "picture": str(self.picture),
            "index": str(self.index),
            "model": str(self.model),
            "recognition": self.recognition and self.recognition.to_dict(),
        }


def demo_recipe(seed: int = 0) -> Recipe:
    """A recipe for very few photos: a small network, strong augmentation, EMA of the weights."""
    return recipe_with(Recipe(), [
        f"training.seed={seed}",
        "training.ema=0.995",
        "input.height=56", "input.width=48", "input.channels=1", "input.fit=stretch",
        "data.val_identities=0",  # all 20 people are needed for training; the length is fixed
        "batch.sampler=balanced", "batch.identities=20", "batch.images=4",
        "model.name=contrastnet", "model.embedding_dim=128", "model.dropout=0.2",
        "loss.name=cosface", "loss.margin=0.35", "loss.scale=30",
        "optimizer.lr=2e-3", "optimizer.weight_decay=1.0", "optimizer.clip=0",
        "schedule.epochs=150", "schedule.warmup_epochs=50", "schedule.margin_warmup_epochs=0",
        "schedule.final=0",
        "augment.geometry={p: 1, degrees: 18, zoom: 0.15, aspect: 0.05, translate: 0.08, "
        "perspective: 0.12, elastic: 0.04}",
        "augment.color={p: 1, brightness: 0.2, contrast: 0.25}",
        "augment.light={p: 1, gamma: 0.3, shade: 0.4}",
        "augment.blur={p: 0.5, sigma: 0.8}",
        "augment.erase={p: 0.5, smallest: 0.02, largest: 0.15}",
    ])  # fmt: skip


def run(out: Path, *, seed: int = 0, say: Callable[[str], None] = print) -> DemoOutcome:
    """Run the demo in the folder ``out``: continue an interrupted run, or start a new one.

    Args:
        out: the folder to write.
        seed: of the weights, the batches and the augmentation.
        say: called with a line at the start of each step.

    Raises:
        MissingExtra: the photos are not installed.
        Interrupted: training was interrupted; the next call continues it.
    """
    training, test = orl_faces(TRAINED_ON), orl_faces(TESTED_ON)
    recipe = demo_recipe(seed)
    say(f"training on people 1–20: {len(training)} photos, from scratch")
    result = _train(training, out / RUN, recipe)
    if result.stopped_by is not None:
        message = "the demo was interrupted; the same command continues it"
        raise Interrupted(message, result.stopped_by)
    embedder = load(result.model)
    say(f"evaluating on people 21–40, who were not in training: {len(test)} photos")
    embeddings, _ = embedder.embed_manifest(test)
    experiment = evaluate(embeddings, settings={"data": "AT&T/ORL, people 21-40", "seed": seed})
    rows = _baselines(training, test)
    measured = experiment.measured
    tar = measured.at(FAR).tar or 0.0
    rows.append(MethodResult("this model", measured.auc, measured.eer, tar))
    page = write_report(experiment, out / REPORT, test.root)
    say("building an index of these, and searching it with a photo that is not in it")
    probe = len(test) // 2
    others = np.delete(np.arange(len(test)), probe)
    index = Index.build(
        embeddings.vectors[others],
        others,
        fingerprint=embedder.fingerprint,
        items=embeddings.photo_items.take(others),
    )
    index.save(out / INDEX)
    reopened = Index.load(out / INDEX, fingerprint=embedder.fingerprint)
    found = _search(reopened, embedder, test, probe)
    _draw(test, probe, found, out / PICTURE)
    say("identifying people 21–40 with a network that needs no training")
    recognition: Recognition | None = None
    try:
        recognition = recognise(test, out)
    except MissingExtra as error:
        say(str(error))
    outcome = DemoOutcome(
        rows=rows,
        probe=test.names[probe],
        found=[(test.names[row], score) for row, score in found],
        report=page,
        picture=out / PICTURE,
        index=out / INDEX,
        model=result.model,
        recognition=recognition,
        next_steps=[
            "likewise identify SOMEONE.jpg --gallery PHOTOS",
            "likewise train PHOTOS --out runs/mine",
            "likewise evaluate OTHER_PHOTOS --model runs/mine/model --out report",
            "likewise index build PHOTOS --model runs/mine/model --out index",
            "likewise index search index SOMEONE.jpg --model runs/mine/model",
        ],
    )
    write_json(out / RESULT, outcome.to_dict())
    return outcome


def _train(training: Manifest, folder: Path, recipe: Recipe) -> TrainingResult:
    saved = folder / "recipe.yaml"
    if folder.exists() and any(folder.iterdir()) and not saved.exists():
        raise InputError(f"{folder}: has other files; choose another folder with --out")
    unfinished = saved.exists() and not (folder / "model").exists() and load_recipe(saved) == recipe
    if not unfinished:
        shutil.rmtree(folder, ignore_errors=True)
    return train(training, folder, recipe, resume=unfinished)


def _baselines(training: Manifest, test: Manifest) -> list[MethodResult]:
    """Evaluate the baselines at half size and uncropped, where each of them is at its best."""
    preprocess = Preprocess(56, 46, 1, mean=(0.5,), std=(0.5,))
    pixels, unseen = (
        np.stack([preprocess.pixels(f).numpy().ravel() for f in m.photos()]).astype(np.float64)
        for m in (training, test)
    )
    pairs = draw_pairs(test.labels)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)

    def measure(name: str, vectors: NDArray[np.float64]) -> MethodResult:
        scores = pair_scores(vectors.astype(np.float32), left, right)
        result = verification(scores, pairs.same, (FAR,))
        return MethodResult(name, result.auc, result.eer, result.at(FAR).tar or 0.0)

    return [
        measure(name, method(pixels, training.labels, unseen)) for name, method in BASELINES.items()
    ]


def _search(
    index: Index, embedder: Embedder, test: Manifest, probe: int
) -> list[tuple[int, float]]:
    scores, ids = index.search(embedder.embed(test.photo(probe)), NEIGHBORS)
    return list(zip(ids[0].tolist(), scores[0].tolist(), strict=True))


def _draw(test: Manifest, probe: int, found: list[tuple[int, float]], path: Path) -> None:
    """Draw the probe and its neighbors with identity and score; correct ones are green."""
    identities = test.table["identity"].to_pylist()
    figure = Figure(figsize=(1.55 * (1 + len(found)), 2.5), layout="constrained")
    captions = ["probe"] + [f"{score:.2f}" for _, score in found]
    rows = [probe, *(row for row, _ in found)]
    for place, (row, caption) in enumerate(zip(rows, captions, strict=True)):
        axes = figure.add_subplot(1, 1 + len(found), place + 1)
        photo = decode(test.photo(row), channels=1)
        axes.imshow(np.asarray(photo), cmap="gray", vmin=0, vmax=255)
        correct = identities[row] == identities[probe]
        color = "#334155" if place == 0 else "#0f766e" if correct else "#b45309"
        axes.set_title(f"{identities[row]}\n{caption}", fontsize=10, color=color)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(color)
            spine.set_linewidth(2.5)
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
