"""Emoji: a class is an emoji, its photos are the drawings of it by several vendors.

Up to ten drawings a class, 64 pixels on a white square of 72: Apple, Google (three generations:
blobs, 2018, 2024), Twitter, Facebook (two), EmojiOne 4, JoyPixels 11 and Microsoft's Fluent 3D. The
test asks whether two drawings by different hands show the same thing. They belong to their vendors
and are fetched from npm, about 600 MB once; none is stored in this repository.

Left out: skin tones, joined emoji (families, professions, genders), country flags, and the groups
whose members differ in a hand or a digit only (clocks, arrows, keycaps, squares and circles). Of
two other emoji that look alike, as they are or mirrored, to at least three of the sources, the
later is left out too. Of drawings of an emoji that are nearly equal only one is kept. A class has
at least five drawings. Three fifths of the classes, drawn by a seed, are for training.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sets.built import built
from benchmarks.sets.drawings import Drawings, Pixels, choose
from benchmarks.sets.packages import npm_files
from benchmarks.sets.split import Split, drawn, of_identities, two_parts
from likewise.progress import progress

VERSION, SEED, SHARE = 1, 0, 0.6
SIDE, DRAWN = 72, 64
NAMES = ("emoji-datasource-apple@16.0.0", "package/emoji.json")
SOURCES = {
    "apple": ("emoji-datasource-apple@16.0.0", "package/img/apple/64/"),
    "google": ("emoji-datasource-google@16.0.0", "package/img/google/64/"),
    "google-2018": ("emoji-datasource-google@4.0.4", "package/img/google/64/"),
    "google-2017": ("emoji-datasource-google@3.0.0", "package/img/google/64/"),
    "twitter": ("emoji-datasource-twitter@16.0.0", "package/img/twitter/64/"),
    "facebook": ("emoji-datasource-facebook@16.0.0", "package/img/facebook/64/"),
    "facebook-2018": ("emoji-datasource-facebook@4.0.3", "package/img/facebook/64/"),
    "emojione": ("emoji-datasource-emojione@4.0.4", "package/img/emojione/64/"),
    "joypixels": ("emoji-assets@11.0.0", "package/png/64/"),
    "fluent": ("@lobehub/fluent-emoji-3d@1.1.0", "package/assets/"),
}
ALIKE_GROUPS = frozenset({"time", "arrow", "keycap", "geometric", "family"})
# Skin tones, joiners, regional letters, tags.
LEFT_OUT = re.compile("1f3f[b-f]|200d|^1f1[ef]|e00")


def emoji() -> Split:
    """The set, made in the cache at the first call."""
    return built("emoji", VERSION, _build)


def emoji_few() -> Split:
    """Forty of its classes for training; the same test."""
    whole = emoji()
    few = drawn(whole.train.identities, 40, SEED)
    return Split("emoji-few", of_identities(whole.train, few), whole.test)


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        fetched = Path(name)
        ((_, names),) = npm_files(*NAMES, fetched)
        drawings: Drawings = {}
        with progress("emoji", len(SOURCES), "packages") as advance:
            for source, (package, inside) in SOURCES.items():
                for file, content in npm_files(package, inside, fetched):
                    code = code_of(Path(file).stem)
                    if not LEFT_OUT.search(code):
                        drawings.setdefault(code, {})[source] = on_white(content)
                advance(1)
    chosen = choose(drawings, titles(json.loads(names)))
    parts = two_parts(sorted(chosen), SHARE, SEED)
    for title, of_source in chosen.items():
        target = folder / parts[title] / title
        target.mkdir(parents=True)
        for source, pixels in of_source.items():
            Image.fromarray(pixels).save(target / f"{source}.png")


def code_of(text: str) -> str:
    """The code points of an emoji as all sources write them: no variation selector, no zeros."""
    points = (point.lstrip("0") for point in text.lower().split("-"))
    return "-".join(point for point in points if point != "fe0f")


def titles(entries: list[dict[str, str]]) -> dict[str, str]:
    """A name for each emoji that is not in one of the groups that are left out."""
    return {
        (code := code_of(entry["unified"])): f"{code}_{entry['short_name']}"
        for entry in entries
        if entry["subcategory"] not in ALIKE_GROUPS
    }


def on_white(content: bytes) -> Pixels:
    """A drawing in the middle of a white square."""
    with Image.open(io.BytesIO(content)) as opened:
        image = opened.convert("RGBA")
    image.thumbnail((DRAWN, DRAWN), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE), "white")
    square.alpha_composite(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return np.asarray(square.convert("RGB"))
