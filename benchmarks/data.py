"""Reading photos: decoding and augmentation against torchvision, and manifests of ten million rows.

python -m benchmarks.data [--quick] [--json FILE]

- ``data.decode_vs_torchvision``: images/s of Likewise's loader (250×250 JPEGs decoded, cropped to
  112, augmented with a recipe's defaults), divided by those of torchvision's ImageFolder with the
  same ``DataLoader``, number of workers and steps, by torchvision's transforms;
- ``data.decode_vs_bare_loop``: the same, divided by a plain loop of PIL and torchvision;
- ``data.large_vs_torchvision``: as the first, from 1000×1000 JPEGs;
- ``data.workers_N``, ``data.threads``: images/s with other numbers of workers, divided by those
  with one worker per core. ``threads`` decodes without augmentation, as evaluation does;
- ``data.augment_NAME_SIZE``: augmented photos/s in batches of 64 in memory, on one thread, divided
  by those of torchvision's transforms of the same steps, photo by photo: with a recipe's defaults,
  and with the demo's strong augmentation (whose shade torchvision does not have, so that only
  Likewise does it);
- ``data.open_10m_s``, ``data.open_10m_gib``: a fresh process opens a manifest of 10 M records:
  seconds to open it, and peak memory including labels and fingerprint;
- ``data.sampler_10m_vs_10k``, ``data.lookup_10m_vs_10k``: time to sample a batch of 16 × 4 photos
  from 10 M records, and to look up its photos, divided by the time for 10 k records;
- ``data.sampler_10m_batches_per_lookup``: time to look up a batch, divided by that to sample it;
- ``data.epoch_start_vs_shuffle``: time to the first batch of an epoch over 10 M records, divided by
  that of a shuffle.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.measure import Result, arguments, fresh, interleaved, report, row
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.data.images import decode
from likewise.data.manifest import Manifest
from likewise.data.orl import orl_faces
from likewise.data.photos import Photos, collate
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.data.sampler import BalancedBatches, EpochSampler, PlainBatches
from likewise.data.transforms import Augment
from likewise.lab.demo.demo import demo_recipe
from likewise.machine import usable_cores

SIZE, BATCH, PER_PERSON = 112, 64, 100
OPEN = """
import time
from likewise.data.formats import read_manifest
start = time.perf_counter()
manifest = read_manifest({path!r})
print(time.perf_counter() - start)
manifest.labels, manifest.fingerprint
from benchmarks.measure import resident_bytes
print(resident_bytes(peak=True) / 2**30)
"""


def make_photos(folder: Path, count: int, side: int) -> Path:
    """Colour JPEGs of ORL's faces, ``side`` pixels a side."""
    faces = orl_faces()
    for number in range(count):
        name, photo = number % len(faces), folder / f"{number % 20:02d}" / f"{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        grey = decode(faces.photo(name)).resize((side, side), Image.Resampling.BICUBIC)
        grey.save(photo, quality=92)
    return folder


def torchvision_augment(augment: Augment, size: int) -> v2.Transform:
    """What ``augment`` does, by the transforms of torchvision, photo by photo."""
    g, color, light, blur, hide = (
        augment.geometry, augment.color, augment.light, augment.blur, augment.erase
    )  # fmt: skip
    shift, zoom = (g.translate, g.translate), (math.exp(-g.zoom), math.exp(g.zoom))
    bilinear = v2.InterpolationMode.BILINEAR
    moves = [v2.RandomAffine(g.degrees, shift, zoom, interpolation=bilinear)]
    if g.perspective:
        moves.append(v2.RandomPerspective(g.perspective, p=1))
    if g.elastic:
        moves.append(v2.ElasticTransform(g.elastic * size / 2 * 5, 5.0))
    steps = [
        v2.RandomHorizontalFlip(augment.flip),
        v2.RandomApply(moves, g.p),
        v2.RandomApply([v2.ColorJitter(color.brightness, color.contrast, color.saturation)],
                       color.p),
    ]  # fmt: skip
    if light.p:
        steps.append(v2.RandomApply([RandomGamma(light.gamma)], light.p))
    if blur.p:
        steps.append(v2.RandomApply([v2.GaussianBlur(5, (0.1, blur.sigma))], blur.p))
    if hide.p:
        steps.append(v2.RandomErasing(hide.p, (hide.smallest, hide.largest), value=128))
    return v2.Compose(steps)


class RandomGamma(torch.nn.Module):
    """The gamma curve of ``Light`` by torchvision's function; torchvision has no shade."""

    def __init__(self, largest: float) -> None:
        super().__init__()
        self.largest = largest

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        gamma = math.exp((2 * float(torch.rand(())) - 1) * self.largest)
        changed: torch.Tensor = v2.functional.adjust_gamma(image, gamma)
        return changed


def one_by_one(transform: v2.Transform, photos: torch.Tensor) -> list[torch.Tensor]:
    return [transform(photo) for photo in photos]


def augmenting(rounds: int) -> list[Result]:
    """Batches in memory, on one thread."""
    found, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for size in (56, 112):
            photos = torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8)
            for name, augment in (("default", Augment()), ("strong", demo_recipe().augment)):
                batched = partial(augment.batch_transform(channels=3), photos, torch.arange(BATCH))
                alone = partial(one_by_one, torchvision_augment(augment, size), photos)
                mine, theirs = interleaved([batched, alone], rounds)
                found.append(bar(f"data.augment_{name}_{size}", ratio(theirs, mine), 3.0))
    finally:
        torch.set_num_threads(threads)
    return found


def loaders(folder: Path, workers: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """One epoch of Likewise's loader, and one of torchvision's."""
    manifest, augment = read_manifest(folder), Augment()
    options = {"num_workers": workers, "persistent_workers": workers > 0}
    sampler = EpochSampler(PlainBatches(manifest.labels, BATCH, 0), 0)
    ours = torch.utils.data.DataLoader(
        Photos(manifest, Preprocess(SIZE, SIZE), augment.batch_transform(channels=3)),
        batch_sampler=sampler, collate_fn=collate, **options,
    )  # fmt: skip
    theirs = torch.utils.data.DataLoader(
        ImageFolder(str(folder), plain_steps()),
        batch_size=BATCH, shuffle=True, drop_last=True, **options,
    )  # fmt: skip
    return lambda: [len(b.labels) for b in ours], lambda: [len(labels) for _, labels in theirs]


def plain_steps() -> v2.Transform:
    """From a photo to its augmented pixels, by torchvision."""
    augment = torchvision_augment(Augment(), SIZE)
    return v2.Compose([v2.Resize(SIZE), v2.CenterCrop(SIZE), v2.PILToTensor(), augment])


def bare_loop(folder: Path) -> Callable[[], object]:
    """PIL and torchvision, one photo after another."""
    files, steps = sorted(folder.rglob("*.jpg")), plain_steps()
    count = len(files) // BATCH * BATCH

    def one(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            pixels: torch.Tensor = steps(image.convert("RGB"))
        return pixels

    return lambda: [one(path) for path in files[:count]]


def decoding(rounds: int, count: int) -> list[Result]:
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        make_photos(small, count, 250)
        make_photos(large, count // 2, 1000)
        ours, theirs = loaders(small, cores)
        mine, peers, bare = interleaved([ours, theirs, bare_loop(small)], rounds)
        big, big_peers = interleaved(loaders(large, cores), rounds)
        found = [
            bar("data.decode_vs_torchvision", ratio(peers, mine), 1.0),
            bar("data.decode_vs_bare_loop", ratio(bare, mine), 1.0),
            bar("data.large_vs_torchvision", ratio(big_peers, big), 1.0),
        ]
        settings = {f"workers_{n}": loaders(small, n)[0] for n in range(cores)}
        manifest = read_manifest(small)
        settings["threads"] = lambda: list(read_pixels(manifest.photos(), Preprocess(SIZE, SIZE)))
        base, *others = interleaved([ours, *settings.values()], max(2, rounds // 2))
        return found + [
            row(f"data.{name}", ratio(base, other), "x")
            for name, other in zip(settings, others, strict=True)
        ]


def ratio(of: list[float], to: list[float]) -> float:
    return median(a / b for a, b in zip(of, to, strict=True))


def bar(name: str, value: float, least: float) -> Result:
    return row(name, value, "x", f">= {least:g}", value >= least)


def make_manifest(path: Path, count: int) -> Path:
    """A manifest of ``count`` photos, 100 per identity, as an Arrow file."""
    numbers = np.arange(count)
    people = pc.cast(pa.array(np.arange(max(2, count // PER_PERSON)) + 10**6), pa.string())
    whose = pa.array((numbers % len(people)).astype(np.int32))
    identity = pa.DictionaryArray.from_arrays(whose, people)
    file = pc.cast(pa.array(numbers + 10**8), pa.string())
    paths = pc.binary_join_element_wise(
        pc.binary_join_element_wise(identity.dictionary_decode(), file, "/"), "jpg", "."
    )
    write_table(Manifest(pa.table({"path": paths, "identity": identity}), path.parent), path)
    return path


def scale(count: int, rounds: int) -> list[Result]:
    """How the costs grow from 10 k to ``count`` records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = (
            make_manifest(folder / "few.arrow", 10_000),
            make_manifest(folder / "many.arrow", count),
        )
        seconds, gib = zip(
            *(map(float, fresh(OPEN.format(path=str(files[1]))).split()) for _ in range(rounds)),
            strict=True,
        )
        few, many = (read_manifest(file) for file in files)
        plans = [BalancedBatches(m.labels, 16, 4, 0) for m in (few, many)]
        draws = [plan.batches(0) for plan in plans]
        batch = interleaved([lambda: draws[0].__next__(), lambda: draws[1].__next__()], 100)
        rows = [np.random.default_rng(0).integers(len(m), size=64).tolist() for m in (few, many)]
        looked_up = interleaved(
            [lambda: [few.photo(r) for r in rows[0]], lambda: [many.photo(r) for r in rows[1]]], 100
        )
        plain = PlainBatches(many.labels, 64, 0)
        shuffle, begin = interleaved(
            [lambda: np.random.default_rng(0).permutation(count), lambda: next(plain.batches(0))], 5
        )
    opened, peak = median(seconds), max(gib)
    return [
        row("data.open_10m_s", opened, "s", "<= 2", opened <= 2),
        row("data.open_10m_gib", peak, "GiB", "<= 1", peak <= 1),
        row("data.sampler_10m_vs_10k", ratio(batch[1], batch[0]), "x"),
        row("data.lookup_10m_vs_10k", ratio(looked_up[1], looked_up[0]), "x"),
        row("data.sampler_10m_batches_per_lookup", ratio(looked_up[1], batch[1]), "x"),
        row("data.epoch_start_vs_shuffle", ratio(begin, shuffle), "x"),
    ]


def results(*, quick: bool) -> list[Result]:
    start = time.perf_counter()
    found = scale(10_000_000, 2 if quick else 5)
    found += augmenting(3 if quick else 15)
    found += decoding(2 if quick else 15, 256 if quick else 1024)
    print(f"data: {time.perf_counter() - start:.0f} s")
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
