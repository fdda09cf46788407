"""Fonts: a class is a font family, its photos are random letters written in it.

Two lines of three or four letters, grey, 64 pixels a side, a little turned, moved and scaled, dark
on light of varied contrast. The letters are drawn anew for each photo: the test asks whether two
photos of different text are set in one typeface. Fifteen photos a class. The 169 families are from
Debian 12 and matplotlib (``benchmarks.sets.font_files``); the packages are fetched with apt once
and never installed, about 65 MB. Many are book faces that differ in details only. Three fifths,
drawn by a seed, are for training.
"""

from __future__ import annotations

import re
import string
import tempfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.sets.built import built
from benchmarks.sets.font_files import FONT_FILES
from benchmarks.sets.packages import debian_tree
from benchmarks.sets.split import MissingData, Split, two_parts
from likewise.progress import progress

VERSION, SEED, SHARE = 1, 0, 0.6
SIDE, FINER, PHOTOS = 64, 4, 15  # drawn four times as large, then reduced
ROOM, PROBE, GAP = 58, 100, 0.15
SCALE, DEGREES, SHIFT = (0.78, 1.0), 5.0, 3.0
INK, PAPER = (0, 80), (180, 256)
OF_MATPLOTLIB = ("cmr10.ttf", "cmss10.ttf", "cmtt10.ttf")


def fonts() -> Split:
    """The set, made in the cache at the first call."""
    return built("fonts", VERSION, _build)


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        tree = debian_tree(tuple(FONT_FILES), Path(name))
        files = {class_name(file): file for file in font_files(tree)}
        parts = two_parts(sorted(files), SHARE, SEED)
        with progress("fonts", len(files), "families") as advance:
            for family, file in files.items():
                target = folder / parts[family] / family
                target.mkdir(parents=True)
                rng = np.random.default_rng([SEED, zlib.crc32(family.encode())])
                for number in range(PHOTOS):
                    written(file, rng).save(target / f"{number:02d}.png")
                advance(1)


def font_files(tree: Path) -> Iterator[Path]:
    """The file of each family.

    Raises:
        MissingData: a package lacks one of them.
    """
    for package, paths in FONT_FILES.items():
        for path in paths:
            file = tree / "usr" / "share" / path
            if not file.is_file():
                raise MissingData(f"{package}: has no {path}; this set is made on Debian 12")
            yield file
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise MissingData("fonts: pip install matplotlib, which carries three of the families")
    for path in OF_MATPLOTLIB:
        yield Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / path


def class_name(file: Path) -> str:
    """A family's name from its file."""
    return re.sub(r"[^A-Za-z0-9]+", "-", file.stem).strip("-")


def letters(rng: np.random.Generator) -> list[str]:
    """Two lines of three or four letters; the first begins with a capital."""
    lines = [
        "".join(rng.choice(list(string.ascii_lowercase), int(rng.integers(3, 5)))) for _ in range(2)
    ]
    return [lines[0].capitalize(), lines[1]]


def written(file: Path, rng: np.random.Generator) -> Image.Image:
    """Random letters in a font, grey."""
    lines = letters(rng)
    probed = ink_of(lines, file, PROBE)
    size = PROBE * FINER * ROOM * rng.uniform(*SCALE) / max(probed.size)
    ink = ink_of(lines, file, max(8, int(size)))
    canvas = Image.new("L", (SIDE * FINER, SIDE * FINER))
    shift = rng.uniform(-SHIFT, SHIFT, 2) * FINER
    place = [
        int((canvas.width - length) / 2 + s) for length, s in zip(ink.size, shift, strict=True)
    ]
    canvas.paste(ink, (place[0], place[1]))
    turned = canvas.rotate(rng.uniform(-DEGREES, DEGREES), Image.Resampling.BICUBIC)
    covered = np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.BOX)) / 255
    dark, light = rng.integers(*INK), rng.integers(*PAPER)
    return Image.fromarray(np.round(light - covered * (light - dark)).astype(np.uint8))


def ink_of(lines: list[str], file: Path, size: int) -> Image.Image:
    """Lines of text, white on black, in a box without a margin.

    The basic layout, because Pillow has the other one only on some machines.
    """
    font = ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
    boxes = [font.getbbox(line) for line in lines]
    sizes = [(int(x1 - x0), int(y1 - y0)) for x0, y0, x1, y1 in boxes]
    gap = int(GAP * size)
    width, height = max(w for w, _ in sizes), sum(h for _, h in sizes) + gap * (len(lines) - 1)
    image = Image.new("L", (max(1, width), max(1, height)))
    draw = ImageDraw.Draw(image)
    top = 0
    for line, (x0, y0, _, _), (w, h) in zip(lines, boxes, sizes, strict=True):
        draw.text(((width - w) // 2 - x0, top - y0), line, fill=255, font=font)
        top += h + gap
    return image
