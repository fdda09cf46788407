"""A film of 30 seconds made of real photos: a pan, a cut, two people who cross, nobody, a group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.recognition.video.videos import write_video

FPS, WIDTH, HEIGHT = 10, 320, 240
PANNED, AFTER_CUT = "William_Macy", "Sharon_Osbourne"
CROSSING = ("Steve_Nash", "Rita_Grande")
# Who is to be seen from when to when, in seconds; the group has eight more faces.
PLAN = (
    (PANNED, 0.0, 6.0),
    (AFTER_CUT, 6.0, 10.0),
    (CROSSING[0], 10.0, 18.0),
    (CROSSING[1], 10.0, 18.0),
    (PANNED, 26.0, 30.0),
)
NOBODY, GROUP = (18.0, 23.0), (23.0, 26.0)

Pixels = NDArray[np.uint8]


def photo(raw: Path, person: str, number: int, side: int) -> Image.Image:
    """One of the photos of a person, in their order."""
    file = sorted((raw / person).glob("*.jpg"))[number]
    return Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)


def pan(picture: Image.Image, seconds: float) -> Iterator[Pixels]:
    """A window that moves over a picture, from left to right and a little down."""
    free = picture.width - WIDTH, picture.height - HEIGHT
    count = round(seconds * FPS)
    for step in range(count):
        x, y = (round(side * step / (count - 1)) for side in free)
        yield np.asarray(picture.crop((x, y, x + WIDTH, y + HEIGHT)))


def crossing(left: Image.Image, right: Image.Image, seconds: float) -> Iterator[Pixels]:
    """Two people who walk past each other; the left one walks in front."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    wall = np.stack([90 + rows // 4, 110 + columns // 8, 100 + rows // 6], 2).astype(np.uint8)
    count = round(seconds * FPS)
    heads = [one.crop((60, 50, 190, 210)) for one in (left, right)]
    for step in range(count):
        scene = Image.fromarray(wall)
        reach = WIDTH - heads[0].width
        x = round(reach * step / (count - 1))
        scene.paste(heads[1], (reach - x, 30))
        scene.paste(heads[0], (x, 45))
        yield np.asarray(scene)


def scenes(raw: Path, groups: Path) -> Iterator[Pixels]:
    """All frames."""
    yield from pan(photo(raw, PANNED, 0, 360), 6)
    yield from pan(photo(raw, AFTER_CUT, 0, 340), 4)
    yield from crossing(photo(raw, CROSSING[0], 0, 250), photo(raw, CROSSING[1], 0, 250), 8)
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 3))
    sky = np.linspace(220, 60, HEIGHT)[:, None, None] + np.array([-20, 0, 30]) + noise
    yield from [sky.clip(0, 255).astype(np.uint8)] * 50
    yield from pan(Image.open(groups / "2008_004176.jpg").convert("RGB"), 3)
    yield from pan(photo(raw, PANNED, 1, 330), 4)


def make_film(path: Path, raw: Path, groups: Path) -> Path:
    """Write the film."""
    return write_video(path, scenes(raw, groups), fps=FPS)
