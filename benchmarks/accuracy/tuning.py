"""Few photos of new people: is it worth to train SFace further, beside calibrating it?

python -m benchmarks.accuracy.tuning [--cells PATTERN] [--quick] [--markdown]

People of LFW's DevTrain are the new people: k of them with n photos each. Their photos calibrate
the model, fit a linear map behind it, or train it. It is evaluated on people of DevTest, and on
other photos of the k people. LFW is easy for SFace, so its photos are also made worse: small,
covered, negative. Cells are named ``KIND/METHOD/K/N/SEED``. LIKEWISE_DATA is the folder of real
data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.clock import Clock
from benchmarks.accuracy.scores import unit_rows
from benchmarks.accuracy.store import Cell, Line, Numbers
from benchmarks.sets.faces import folder_of_lfw, people
from likewise.cache import cache_folder
from likewise.data.manifest import Manifest
from likewise.data.pairs import draw_pairs
from likewise.errors import InputError
from likewise.evaluation.verification.metrics import Verification, pair_scores, verification
from likewise.metriclearn import WithinClassWhitening
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.storage import new_file
from likewise.training.recipe.recipe import recipe_with
from likewise.training.run import train
from likewise.training.setup.start import tune_recipe

MODULE = "benchmarks.accuracy.tuning"
SEEDS = range(3)
Floats = NDArray[np.float32]
FAR = 1e-2
OTHER = 2  # further photos of each of the k people, for the closed set
TEST_PEOPLE, TEST_PHOTOS = 100, 4
SIZES = ((20, 2), (20, 4), (20, 8), (60, 2), (60, 4), (60, 8), (200, 2), (200, 4))
TRAINED = ((20, 4), (60, 4))
LAYERS = {
    "all layers": [],
    "last stage": ['model.freeze=["stem.*", "stage[123].*"]'],
    "last layer": ['model.freeze=["stem.*", "stage*", "output.0.*"]'],
}


def small(photo: Image.Image) -> Image.Image:
    """12 pixels wide, enlarged."""
    tiny = photo.resize((12, 12), Image.Resampling.BOX)
    return tiny.resize(photo.size, Image.Resampling.BICUBIC)


def covered(photo: Image.Image) -> Image.Image:
    """Eyes and forehead hidden."""
    copy = photo.copy()
    copy.paste((128, 128, 128), (0, 0, photo.width, 66 * photo.height // 112))
    return copy


def negative(photo: Image.Image) -> Image.Image:
    """Grey, and inverted: as far from daylight as some infrared cameras are."""
    return ImageOps.invert(photo.convert("L")).convert("RGB")


PHOTOS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as they are": lambda photo: photo,
    "small": small,
    "covered": covered,
    "negative": negative,
}


@dataclass(frozen=True)
class Group:
    """Photos with their embeddings by SFace: files, labels [N], raw vectors [N, D]."""

    files: list[Path]
    labels: NDArray[np.int64]
    vectors: Floats

    def take(self, rows: NDArray[np.int64]) -> Group:
        return Group([self.files[row] for row in rows], self.labels[rows], self.vectors[rows])


@dataclass(frozen=True)
class Draw:
    """What a cell sees: photos to learn from, others of the same people, and other people."""

    learn: Group
    same: Group
    others: Group


def photos_of(table: str, least: int) -> dict[str, list[Path]]:
    """The photos of the people of a list who have this many."""
    lfw = folder_of_lfw()
    found = {name: sorted((lfw / "aligned112" / name).glob("*.jpg")) for name in people(lfw, table)}
    return {name: files for name, files in found.items() if len(files) >= least}


def worse(kind: str, files: list[Path]) -> list[Path]:
    """The photos of this kind, kept in the cache."""
    if kind == "as they are":
        return files
    made = []
    for file in files:
        path = cache_folder("benchmarks") / f"tuning-{kind}" / file.parent.name / f"{file.stem}.png"
        if not path.exists():
            with new_file(path) as temporary:
                PHOTOS[kind](Image.open(file).convert("RGB")).save(temporary, "png")
        made.append(path)
    return made


def group(embedder: Embedder, kind: str, chosen: dict[str, list[Path]], name: str) -> Group:
    """The photos of some people with their embeddings, which are kept in the cache."""
    files = worse(kind, [file for own in chosen.values() for file in own])
    labels = np.repeat(np.arange(len(chosen)), [len(own) for own in chosen.values()])
    path = cache_folder("benchmarks") / f"tuning-{kind}-{name}-{len(files)}.npy"
    if not path.exists():
        vectors = embedder.embed(files, normalize=False)
        with new_file(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, vectors)
    return Group(files, labels, np.load(path))


def pool(embedder: Embedder, kind: str) -> tuple[Group, Group]:
    """The people to draw from, and the test people with four photos each."""
    rng = np.random.default_rng(0)
    many = photos_of("peopleDevTrain.csv", max(n for _, n in SIZES) + OTHER)
    some = photos_of("peopleDevTrain.csv", 4 + OTHER)
    first = [str(name) for name in rng.permutation(sorted(many))[:60]]
    more = [str(name) for name in rng.permutation(sorted(set(some) - set(first)))[:140]]
    drawn = {n: many[n][:10] for n in first} | {n: some[n][: 4 + OTHER] for n in more}
    test = photos_of("peopleDevTest.csv", TEST_PHOTOS)
    held = {str(n): test[str(n)][:TEST_PHOTOS] for n in rng.permutation(sorted(test))[:TEST_PEOPLE]}
    return group(embedder, kind, drawn, "pool"), group(embedder, kind, held, "test")


def draw(everyone: Group, test: Group, k: int, n: int, seed: int) -> Draw:
    """k people with n photos to learn from and ``OTHER`` more.

    Raises:
        InputError: there are too few.
    """
    rng = np.random.default_rng([seed, k, n])
    counts = np.bincount(everyone.labels)
    fit = np.flatnonzero(counts >= n + OTHER)
    if len(fit) < k:
        raise InputError(f"{len(fit)} people have {n + OTHER} photos; {k} are needed")
    learn, same = [], []
    for person in rng.permutation(fit)[:k]:
        rows = rng.permutation(np.flatnonzero(everyone.labels == person))
        learn.append(rows[:n])
        same.append(rows[n : n + OTHER])
    return Draw(everyone.take(np.concatenate(learn)), everyone.take(np.concatenate(same)), test)


def verified(
    vectors: Floats, labels: NDArray[np.int64]
) -> tuple[Verification, NDArray[np.float64], list[bool]]:
    pairs = draw_pairs(labels)
    scores = pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right))
    return verification(scores, pairs.same, [FAR]), scores, list(pairs.same)


def results(drawn: Draw, learn: Floats, same: Floats, others: Floats) -> dict[str, float]:
    """AUC of other people; of the k people: the share whose nearest person is right."""
    measured, _, _ = verified(others, drawn.others.labels)
    names = np.unique(drawn.learn.labels)
    centres = unit_rows(
        np.stack([learn[drawn.learn.labels == name].mean(axis=0) for name in names])
    )
    right = names[(same @ centres.T).argmax(axis=1)] == drawn.same.labels
    return {
        "auc": round(measured.auc, 5),
        "tar": round(measured.at(FAR).tar or 0.0, 4),
        "named": round(float(right.mean()), 4),
    }


def raw(drawn: Draw) -> tuple[Floats, Floats, Floats]:
    """The embeddings to learn from, of the same people and of others, not of unit length."""
    return drawn.learn.vectors, drawn.same.vectors, drawn.others.vectors


def false_matches(threshold: float | None, scores: NDArray[np.float64], same: list[bool]) -> float:
    """The share of pairs of two people that a threshold accepts."""
    assert threshold is not None  # there are enough pairs
    return float((scores[~np.asarray(same)] >= threshold).mean())


def calibrated(drawn: Draw, embedder: Embedder) -> dict[str, float]:
    """As it is: its own threshold, and the one that the k people's photos give."""
    learn, same, others = map(unit_rows, raw(drawn))
    ours, _, _ = verified(learn, drawn.learn.labels)
    _, scores, truth = verified(others, drawn.others.labels)
    own = next(point for point in embedder.operating_points if point.far == FAR or
               abs(np.log10(point.far) - np.log10(FAR)) < 0.2)  # fmt: skip
    return {
        **results(drawn, learn, same, others),
        "fmr_own": round(false_matches(own.threshold, scores, truth), 5),
        "fmr_calibrated": round(false_matches(ours.at(FAR).threshold, scores, truth), 5),
    }


def mapped(drawn: Draw, shrinkage: float) -> dict[str, float]:
    """A linear map behind the frozen network, from the k people: WCCN.

    It maps vectors before they get unit length, as ``model.whiten`` does in a training.
    """
    learn, same, others = raw(drawn)
    if shrinkage == 1:  # no direction is preferred: only the mean is subtracted
        return results(drawn, *(unit_rows(x - learn.mean(axis=0)) for x in (learn, same, others)))
    map_ = WithinClassWhitening(weighting="classes", shrinkage=shrinkage)
    map_.fit(learn, drawn.learn.labels)
    return results(drawn, *(unit_rows(map_.transform(x)) for x in (learn, same, others)))


def trained(layers: str, drawn: Draw, seed: int, _: Embedder) -> dict[str, float]:
    """Training further by the recipe tune, the last epoch, whatever its validation would say."""
    names = [str(label) for label in drawn.learn.labels]
    table = pa.table({"path": [str(f) for f in drawn.learn.files], "identity": names})
    settings = [*LAYERS[layers], f"training.seed={seed}", "data.val_identities=0", "data.workers=0"]
    with tempfile.TemporaryDirectory() as folder:
        manifest = Manifest(table, Path("/"))
        recipe = recipe_with(tune_recipe(), settings)
        result = train(manifest, Path(folder) / "run", recipe, start="sface")
        if not result.finished:
            raise SystemExit(130)
        model = load(result.model)
    groups = (drawn.learn, drawn.same, drawn.others)
    return results(drawn, *(model.embed(g.files) for g in groups))


METHODS: dict[str, Callable[[Draw, int, Embedder], dict[str, float]]] = {
    "calibration alone": lambda drawn, _, sface: calibrated(drawn, sface),
    "mean subtracted": lambda drawn, *_: mapped(drawn, 1),
    "whitened": lambda drawn, *_: mapped(drawn, 0.7),
    **{name: partial(trained, name) for name in LAYERS},
}


def all_cells(*, quick: bool) -> list[Cell]:
    """Draws of all sizes that are not trained on, and few of those that are."""
    return [
        Cell({"kind": kind, "method": method, "k": k, "n": n, "seed": seed})
        for kind in (["small"] if quick else PHOTOS)
        for method in METHODS
        if not (quick and method in LAYERS)
        for k, n in (SIZES[:1] if quick else TRAINED if method in LAYERS else SIZES)
        for seed in (range(1) if quick else SEEDS)
    ]


def measure(kind: str, method: str, k: int, n: int, seed: int) -> Numbers:
    """One method on one draw of people."""
    sface = load("sface")
    everyone, test = pool(sface, kind)
    clock = Clock()
    found = METHODS[method](draw(everyone, test, k, n, seed), seed, sface)
    return {**found, "cpu_seconds": clock.seconds}


def markdown(lines: Iterable[Line]) -> str:
    """A table for each kind of photos: AUC of other people, people named rightly."""
    lines = list(lines)
    found: dict[str, dict[tuple[str, str], list[Line]]] = {}
    for line in lines:
        keys = line.cell.keys
        place = (str(keys["method"]), f"{keys['k']} × {keys['n']}")
        found.setdefault(str(keys["kind"]), {}).setdefault(place, []).append(line)
    parts = []
    for kind, of_kind in found.items():
        rows = [
            [*place, *(tables.shown(tables.mean(tables.values(some, n))) for n in ("auc", "named"))]
            for place, some in of_kind.items()
        ]
        headings = ["method", "people × photos", "AUC of other people", "named rightly"]
        parts.append(f"{kind}:\n\n{tables.table(headings, rows)}\n")
    return "\n".join([*parts, tables.footnote(lines)])


def main() -> int:
    return cells.run_program(__doc__, "tuning", MODULE, all_cells, markdown)


if __name__ == "__main__":
    raise SystemExit(main())
