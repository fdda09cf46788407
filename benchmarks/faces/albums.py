"""Albums: how well faces are grouped by person, over thresholds and beside other methods.

python -m benchmarks.faces.albums [--quick] [--json FILE]

4,174 photos of 1,600 people of LFW, 900 of them with one photo, drawn by a fixed seed. The vectors
of the reference model are given; SFace's are computed once and kept in the cache (until then,
``--quick`` takes a part of the people). B-cubed F over thresholds: average linkage, SciPy's average
and single linkage, and DBSCAN. Then a second run with half of the photos new, memory and time, and,
in full, what the rule against unclear faces does on photos of crowds.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import DBSCAN

from benchmarks.measure import Result, arguments, peak_gib, report, row
from likewise.cache import cache_folder
from likewise.errors import LikewiseError
from likewise.evaluation.clustering import clustering
from likewise.recognition.albums.grouping import group_faces
from likewise.recognition.albums.groups import Groups
from likewise.recognition.albums.linkage import average_linkage
from likewise.recognition.albums.threshold import MEASURED

SEED = 168  # the first one with which 900 + 700 people have the 4,174 photos of the published set
ALONE, SEVERAL = 900, 700
THRESHOLDS = (0.3, 0.35, 0.375, 0.4, 0.425, 0.45, 0.475, 0.5, 0.55)
REFERENCE = 0.425
MANY = 20_000


@dataclass(frozen=True)
class Faces:
    """Unit vectors, their lengths before, the person of each, and the files."""

    vectors: NDArray[np.float64]
    norms: NDArray[np.float64]
    people: NDArray[np.int64]
    files: list[str]

    def take(self, rows: NDArray[np.intp]) -> Faces:
        files = [self.files[place] for place in rows]
        return Faces(self.vectors[rows], self.norms[rows], self.people[rows], files)


def faces_of(raw: NDArray[np.float32], files: list[str]) -> Faces:
    norms = np.linalg.norm(raw.astype(np.float64), axis=1)
    people = np.unique([name.split("/")[0] for name in files], return_inverse=True)[1]
    return Faces(raw / norms[:, None], norms, people, files)


def lfw_files(data: Path) -> tuple[list[str], NDArray[np.intp]]:
    """The files of the set, and their rows among all of LFW."""
    files = (data / "lfw" / "reference_embeddings_files.txt").read_text().split()
    names = np.array([name.split("/")[0] for name in files])
    people, count = np.unique(names, return_counts=True)
    random = np.random.default_rng(SEED)
    alone = random.choice(people[count == 1], ALONE, replace=False)
    several = random.choice(people[count > 1], SEVERAL, replace=False)
    rows = np.flatnonzero(np.isin(names, np.concatenate([alone, several])))
    return [files[place] for place in rows], rows


def sface_vectors(data: Path, files: list[str], *, quick: bool) -> Faces | None:
    """SFace's raw embeddings; of the first people only where all would take too long."""
    stored = cache_folder("benchmarks") / f"albums-sface-{len(files)}.npy"
    if stored.exists():
        return faces_of(np.load(stored), files)
    import likewise

    try:
        embedder = likewise.load("sface")
    except LikewiseError as error:
        print(f"SFace left out: {error}", file=sys.stderr)
        return None
    if quick:
        files = files[:500]
    photos = [data / "lfw" / "aligned112" / name for name in files]
    raw = embedder.embed(photos, normalize=False)
    if not quick:
        np.save(stored, raw)
    return faces_of(raw, files)


def bcubed(faces: Faces, found: NDArray[np.int64]) -> float:
    return clustering(faces.people, found).bcubed.f


def curves(name: str, faces: Faces) -> dict[str, list[float]]:
    """The B-cubed F of each method at each threshold."""
    trees = {kind: linkage(faces.vectors, kind, metric="cosine") for kind in ("average", "single")}
    distances = np.clip(1 - faces.vectors @ faces.vectors.T, 0, None)
    found: dict[str, list[float]] = {}
    for threshold in THRESHOLDS:
        reach = np.nextafter(1 - threshold, 2)
        scan = DBSCAN(eps=reach, min_samples=3, metric="precomputed").fit_predict(distances)
        labels = {
            "average linkage (ours)": average_linkage(faces.vectors, threshold),
            "average linkage (SciPy)": fcluster(trees["average"], reach, "distance"),
            "single linkage = DBSCAN, min 2": fcluster(trees["single"], reach, "distance"),
            "DBSCAN, min 3": scan,
        }
        for method, clusters in labels.items():
            found.setdefault(method, []).append(bcubed(faces, clusters.astype(np.int64)))
    print(f"\nB-cubed F on LFW, {len(faces.people):,} photos of {faces.people.max() + 1:,} people, "
          f"by {name}")  # fmt: skip
    print(f"{'':32}" + "".join(f"{threshold:7.3f}" for threshold in THRESHOLDS))
    for method, values in found.items():
        print(f"{method:32}" + "".join(f"{value:7.3f}" for value in values))
    return found


def two_runs(faces: Faces, threshold: float) -> tuple[float, float]:
    """Half of the photos, every group named, then the other half: names kept, and B-cubed F."""
    order = np.random.default_rng(0).permutation(len(faces.people))
    groups, half = Groups(), len(order) // 2
    everything = np.ones(len(order), bool)
    for rows in (order[:half], order):
        group_faces(
            groups, rows.tolist(), faces.vectors[rows].astype(np.float32),
            [faces.files[place] for place in rows], everything[rows], everything[rows], threshold,
        )  # fmt: skip
        if len(rows) == half:
            for group in list(groups.by_number.values()):
                groups.name(group.number, f"person {group.number}")
            named = {g.number: (g.name, set(g.faces)) for g in groups.by_number.values()}
    kept = [
        groups.by_number[number].name == name and members <= groups.by_number[number].faces
        for number, (name, members) in named.items()
    ]
    found = np.arange(len(order)) + 10**6  # a face in no group is alone
    for face, number in groups.of_face().items():
        found[face] = number
    return sum(kept) / len(kept), bcubed(faces, found)


def scale(count: int) -> list[Result]:
    """Time and memory for many faces of a library: few people often, many strangers."""
    code = (
        "import numpy as np, time\n"
        "from likewise.recognition.albums.linkage import average_linkage\n"
        f"n = {count}; r = np.random.default_rng(0); centers = r.normal(size=(n // 60, 128))\n"
        "who = r.zipf(1.5, n) % len(centers); x = centers[who] + r.normal(size=(n, 128))\n"
        "x[::4] = r.normal(size=x[::4].shape)\n"
        "x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)\n"
        "photos = [[int(p)] for p in r.integers(0, n // 2, n)]\n"
    )
    work = (
        "start = time.perf_counter()\naverage_linkage(x, 0.4, apart=photos)\n"
        "import sys; print(f'linkage: {n:,} faces in {time.perf_counter() - start:.1f} s', "
        "file=sys.stderr)\n"
    )
    value = (peak_gib(code + work) - peak_gib(code)) / (8 * count**2 / 2**30)
    name = f"albums.memory_vs_matrix_{count // 1000}k"
    if count < MANY:  # the blocks matter more than for many faces
        return [row(name, value, "×")]
    return [row(name, value, "×", "<= 0.1", value <= 0.1)]


def crowds(data: Path) -> list[Result]:
    """Groups that hold no person of LFW, or two, with and without the rule on unclear faces."""
    import likewise
    from likewise.recognition.albums.clarity import clarity
    from likewise.recognition.recognizer import Recognizer

    photos = sorted((data / "lfw" / "raw_sample").rglob("*.jpg"))
    photos += sorted((data / "faces" / "wider416").rglob("*.jpg"))
    recognizer = Recognizer(likewise.load("sface"))
    faces = [
        (photo, face)
        for photo, found in zip(photos, recognizer.faces_of_many(photos), strict=True)
        if isinstance(found, list)
        for face in found
    ]
    names = [str(photo) for photo, _ in faces]
    people = ["" if "wider" in photo.parent.name else photo.parent.name for photo, _ in faces]
    vectors = np.stack([face.vector for _, face in faces])
    quality = [np.nan if face.quality is None else face.quality for _, face in faces]
    plain = np.array([not face.face.reasons for _, face in faces])
    norms = np.array([face.norm for _, face in faces])
    rule = clarity(norms, np.array(quality, float), plain)
    bare = np.ones(len(faces), bool), np.ones(len(faces), bool)
    results = []
    for what, (founds, joins) in (("without", bare), ("with", rule)):
        groups = Groups()
        group_faces(groups, list(range(len(faces))), vectors, names, founds, joins,
                    MEASURED["sface"])  # fmt: skip
        inside = [{people[face] for face in g.faces} for g in groups.by_number.values()]
        of_crowds = sum(found == {""} for found in inside)
        mixed = sum(len(found) > 1 for found in inside)
        print(f"{len(faces)} faces of LFW and crowds, {what} the rule: {len(inside)} groups, "
              f"{of_crowds} of crowd faces, {mixed} of two people")  # fmt: skip
        bar = ("<= 5", of_crowds + mixed <= 5) if what == "with" else ("–", True)
        results.append(row(f"albums.crowd_groups_{what}_rule", of_crowds + mixed, "groups", *bar))
    return results


def results(*, quick: bool) -> list[Result]:
    named = os.environ.get("LIKEWISE_DATA")
    if not named:
        print("albums: skipped: set LIKEWISE_DATA to the folder of real data", file=sys.stderr)
        return []
    data, found = Path(named), []
    files, rows = lfw_files(data)
    raw = np.load(data / "lfw" / "reference_embeddings_128.npy")[rows]
    models = {"reference": (faces_of(raw, files), REFERENCE, 0.98)}
    sface = sface_vectors(data, files, quick=quick)
    if sface is not None:
        models["sface"] = (sface, MEASURED["sface"], 0.985)
    for name, (faces, threshold, bar) in models.items():
        values = curves(name, faces)
        ours = values["average linkage (ours)"]
        value = ours[THRESHOLDS.index(threshold)]
        differs = max(abs(a - b) for a, b in zip(ours, values["average linkage (SciPy)"]))  # noqa: B905  # lists of one length
        single = values["single linkage = DBSCAN, min 2"]
        kept, after = two_runs(faces, threshold)
        found += [
            row(f"albums.bcubed_{name}", value, "F", f">= {bar}", value >= bar),
            row(f"albums.differs_from_scipy_{name}", differs, "F", "<= 1e-9", differs <= 1e-9),
            row(f"albums.loss_at_.40_{name}", max(ours) - ours[THRESHOLDS.index(0.4)], "F"),
            row(f"albums.single_loss_at_.40_{name}",
                max(single) - single[THRESHOLDS.index(0.4)], "F"),
            row(f"albums.names_kept_{name}", kept, "share", ">= 1", kept == 1),
            row(f"albums.bcubed_two_runs_{name}", after, "F"),
        ]  # fmt: skip
    start = time.perf_counter()
    found += scale(5_000 if quick else MANY)
    found.append(row("albums.scale_s", time.perf_counter() - start, "s"))
    if not quick and sface is not None:
        found += crowds(data)
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
