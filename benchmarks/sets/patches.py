"""Patches: a class is one photograph, its photos are twenty random crops of it.

An artificial task on natural colour images, not object recognition: the test asks whether two crops
come from one photograph. A crop is a square of 0.25 to 0.6 of the photograph's short side, turned
by up to 12 degrees, a little lighter or darker, 96 pixels a side, saved as a JPEG of quality 70 to
90. Two crops may overlap or not: then only colours, light and texture tell. Crops without texture,
such as blue sky, are drawn again.

The photographs are 78 wallpapers and sample pictures of Debian 12 and scikit-learn
(``benchmarks.sets.photographs``), fetched with apt once, about 290 MB. All crops of a photograph
are in one part; three fifths of the photographs, drawn by a seed, are for training.
"""

from __future__ import annotations

import math
import re
import tempfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.sets.built import built
from benchmarks.sets.packages import debian_tree
from benchmarks.sets.photographs import PHOTOGRAPHS
from benchmarks.sets.split import MissingData, Split, two_parts
from likewise.errors import LikewiseError
from likewise.progress import progress

VERSION, SEED, SHARE = 1, 0, 0.6
SHORT, SIDE, CROPS, TRIES = 512, 96, 20, 100
SCALE, DEGREES, LIGHT, CONTRAST, QUALITY = (0.25, 0.6), 12.0, 0.2, 0.15, (70, 90)
OF_SKLEARN = ("china.jpg", "flower.jpg")
LEAST_TEXTURE = 2.0  # mean grey levels between neighboring pixels


def patches() -> Split:
    """The set, made in the cache at the first call."""
    return built("patches", VERSION, _build)


def _build(folder: Path) -> None:
    count = sum(map(len, PHOTOGRAPHS.values())) + len(OF_SKLEARN)
    with progress("patches", count, "photographs") as advance:
        made = folder / "all"
        for package, file in photographs():
            name = class_name(package, file)
            write_crops(opened(file), made / name, seed=zlib.crc32(name.encode()))
            advance(1)
    names = sorted(path.name for path in made.iterdir())
    for name, part in two_parts(names, SHARE, SEED).items():
        (folder / part).mkdir(exist_ok=True)
        (made / name).rename(folder / part / name)
    made.rmdir()


def photographs() -> Iterator[tuple[str, Path]]:
    """The package and the file of each photograph, one package on the disk at a time.

    Raises:
        MissingData: a package lacks one of them.
    """
    for package, paths in PHOTOGRAPHS.items():
        with tempfile.TemporaryDirectory() as name:
            tree = debian_tree([package], Path(name))
            for path in paths:
                file = tree / path.lstrip("/")
                if not file.is_file():
                    raise MissingData(f"{package}: has no {path}; this set is made on Debian 12")
                yield package, file
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise MissingData("patches: pip install scikit-learn, which carries two photographs")
    for path in OF_SKLEARN:
        yield "sklearn", Path(spec.origin).parent / "datasets" / "images" / path


def class_name(package: str, file: Path) -> str:
    """A name for a photograph that tells where it is from."""
    stem = file.parents[2].name if file.stem == "2560x1600" else file.name
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{package}-{stem}")


def opened(file: Path) -> Image.Image:
    """A photograph in colour, ``SHORT`` pixels at its shorter side."""
    with Image.open(file) as image:
        image.draft("RGB", (2 * SHORT, 2 * SHORT))  # a large JPEG is decoded at a fraction
        upright = ImageOps.exif_transpose(image).convert("RGB")
    scale = SHORT / min(upright.size)
    size = (max(SHORT, round(scale * upright.width)), max(SHORT, round(scale * upright.height)))
    return upright.resize(size, Image.Resampling.LANCZOS)


def write_crops(photograph: Image.Image, folder: Path, seed: int) -> None:
    """Write the crops of a photograph into a folder, as ``00.jpg`` and so on."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng([SEED, seed])
    for number in range(CROPS):
        crops = (crop(photograph, rng) for _ in range(TRIES))
        chosen = next((c for c in crops if texture(c) >= LEAST_TEXTURE), None)
        if chosen is None:
            raise LikewiseError(f"{folder.name}: {TRIES} crops in a row without texture")
        quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
        chosen.save(folder / f"{number:02d}.jpg", quality=quality)


def crop(photograph: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A random crop, wholly inside the photograph."""
    side = rng.uniform(*SCALE) * min(photograph.size)
    angle = rng.uniform(-DEGREES, DEGREES)
    turn = math.radians(abs(angle))
    reach = side / 2 * (math.cos(turn) + math.sin(turn)) + 1
    x, y = (rng.uniform(reach, length - reach) for length in photograph.size)
    around = photograph.crop((int(x - reach), int(y - reach), int(x + reach), int(y + reach)))
    turned = around.rotate(angle, Image.Resampling.BICUBIC)
    edge = (turned.width - side) / 2
    box = (edge, edge, edge + side, edge + side)
    small = turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)
    return exposed(small, rng)


def exposed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image a little lighter or darker, with a little more or less contrast."""
    light = 1 + rng.uniform(-LIGHT, LIGHT)
    power = 1 + rng.uniform(-CONTRAST, CONTRAST)
    pixels = np.clip(light * (np.asarray(image) / 255) ** power, 0, 1)
    return Image.fromarray(np.round(255 * pixels).astype(np.uint8))


def texture(image: Image.Image) -> float:
    """The mean difference between neighboring pixels, in grey levels."""
    grey: NDArray[np.float32] = np.asarray(image.convert("L"), np.float32)
    return float((np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2)
