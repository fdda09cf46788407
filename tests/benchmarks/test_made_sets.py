"""Sets that are made: what is written, once and whole, from sources made up here."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from benchmarks.sets import drawings as choosing
from benchmarks.sets import emoji, fonts, patches
from benchmarks.sets.built import built
from benchmarks.sets.drawings import Drawings, Pixels
from PIL import Image

from tests.conftest import make_photos

SOURCES = list(emoji.SOURCES)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))


def two_people(folder: Path) -> None:
    make_photos(folder / "train", ("anna",), each=1)
    make_photos(folder / "test", ("bob",), each=1)


def test_a_set_is_made_once_and_anew_with_another_version() -> None:
    calls = []

    def build(folder: Path) -> None:
        calls.append(folder)
        two_people(folder)

    for version in (1, 1, 2):
        split = built("mine", version, build)
        assert (split.train.identities, split.test.identities) == (["anna"], ["bob"])
        assert not calls[-1].exists()  # it was renamed
    assert len(calls) == 2


def test_a_set_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        two_people(folder)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        built("mine", 1, broken)
    assert [path.name for path in (tmp_path / "cache" / "benchmark-sets").iterdir()] == [
        "mine.lock"
    ]
    assert built("mine", 1, two_people).train.identities == ["anna"]


def drawing(*seed: int) -> Pixels:
    """An image of large random squares; another seed is another image."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.repeat(np.repeat(coarse, 12, 0), 12, 1)


def of_all(number: int) -> dict[str, Pixels]:
    return {source: drawing(number, place) for place, source in enumerate(SOURCES)}


def test_drawings_and_emoji_that_look_alike_are_left_out() -> None:
    plain, copied, mirrored, rare, twice = of_all(0), of_all(1), of_all(2), of_all(3), of_all(4)
    for source in SOURCES[:3]:  # three sources draw these like the plain one, or mirrored
        copied[source] = np.clip(plain[source].astype(int) + 4, 0, 255).astype(np.uint8)
        mirrored[source] = plain[source][:, ::-1]
    rare = dict(list(rare.items())[:4])  # four drawings are too few
    twice[SOURCES[1]] = twice[SOURCES[0]]
    near = of_all(5)
    near.update({source: plain[source] for source in SOURCES[:2]})  # two sources are not enough
    emojis = (plain, copied, mirrored, rare, twice, near, of_all(6))
    drawings: Drawings = dict(zip(("1a", "1b", "1c", "1d", "1e", "1f", "20"), emojis, strict=True))
    chosen = choosing.choose(drawings, {code: f"name-{code}" for code in drawings if code != "20"})
    assert list(chosen) == ["name-1a", "name-1e", "name-1f"]
    assert list(chosen["name-1e"]) == [SOURCES[0], *SOURCES[2:]]


def test_distances_are_those_of_a_plain_loop() -> None:
    images = [drawing(9, n) for n in range(4)]
    stacked = np.stack(images).astype(np.float32)
    expected = [[math.sqrt(np.mean((a.astype(float) - b) ** 2)) for b in images] for a in images]
    np.testing.assert_allclose(choosing.distances(stacked, stacked), expected, atol=0.1)


def test_the_codes_of_all_sources_agree() -> None:
    assert emoji.code_of("0023-FE0F-20E3") == emoji.code_of("23-20e3") == "23-20e3"
    for code in ("1f44b-1f3fd", "1f1e9-1f1ea", "1f468-200d-1f33e"):
        assert emoji.LEFT_OUT.search(code)
    assert not emoji.LEFT_OUT.search("1f600")


def png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_emoji_are_written_from_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def npm_files(package: str, inside: str, folder: Path) -> Iterator[tuple[str, bytes]]:
        if inside.endswith(".json"):
            names = [
                {"unified": f"1F60{n}", "short_name": f"face{n}", "subcategory": "face"}
                for n in range(8)
            ]
            clock = {"unified": "1F550", "short_name": "clock1", "subcategory": "time"}
            yield "", json.dumps([*names, clock]).encode()
            return
        place = next(n for n, source in enumerate(emoji.SOURCES.values()) if source[0] == package)
        for n, code in enumerate([*(f"1f60{n}" for n in range(8)), "1f550", "1f600-1f3fb"]):
            yield f"{code}.png", png(drawing(n, place))

    monkeypatch.setattr(emoji, "npm_files", npm_files)
    split = emoji.emoji()
    named = [f"1f60{n}_face{n}" for n in range(8)]
    assert sorted(split.train.identities + split.test.identities) == named
    assert (len(split.train.identities), len(split.test.identities)) == (5, 3)
    assert len(split.train) == 5 * len(SOURCES)
    with Image.open(str(split.train.photo(0))) as image:
        assert image.size == (72, 72)
        assert image.getpixel((0, 0)) == (255, 255, 255)


def test_transparent_drawings_lie_on_white() -> None:
    content = io.BytesIO()
    Image.new("RGBA", (128, 64), (255, 0, 0, 0)).save(content, "PNG")
    assert emoji.on_white(content.getvalue()).min() == 255


def test_crops_lie_inside_their_photograph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grain = rng.integers(140, 201, (512, 640, 3), np.uint8)  # no black, unlike what is outside
    for _ in range(40):
        made = patches.crop(Image.fromarray(grain), rng)
        assert made.size == (96, 96)
        assert np.asarray(made).min() > 60
    patches.write_crops(Image.fromarray(grain), tmp_path / "a", seed=3)
    patches.write_crops(Image.fromarray(grain), tmp_path / "b", seed=3)
    files = sorted((tmp_path / "a").iterdir())
    assert len({file.read_bytes() for file in files}) == len(files) == patches.CROPS
    assert all(file.read_bytes() == (tmp_path / "b" / file.name).read_bytes() for file in files)


def test_crops_without_texture_are_drawn_again(tmp_path: Path) -> None:
    pixels = np.full((512, 1024, 3), 90, np.uint8)
    pixels[:, 512:] = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    patches.write_crops(Image.fromarray(pixels), tmp_path / "a", seed=0)
    for file in (tmp_path / "a").iterdir():
        with Image.open(file) as image:
            assert np.ptp(np.asarray(image)) > 20


def test_texture_is_that_of_a_plain_loop() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    down = [abs(int(grey[y, x]) - int(grey[y + 1, x])) for y in range(7) for x in range(8)]
    across = [abs(int(grey[y, x]) - int(grey[y, x + 1])) for y in range(8) for x in range(7)]
    expected = (np.mean(down) + np.mean(across)) / 2
    assert patches.texture(Image.fromarray(grey)) == pytest.approx(expected)


def test_fonts_are_written_from_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    ttf = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    shared = tmp_path / "usr" / "share" / "f"
    shared.mkdir(parents=True)
    for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf"):
        (shared / name).write_bytes((ttf / name).read_bytes())
    monkeypatch.setattr(fonts, "FONT_FILES", {"f": ("f/DejaVuSans.ttf", "f/DejaVuSerif.ttf")})
    monkeypatch.setattr(fonts, "debian_tree", lambda *_: tmp_path)
    split = fonts.fonts()
    families = {"DejaVuSans", "DejaVuSerif", "cmr10", "cmss10", "cmtt10"}
    assert set(split.train.identities) | set(split.test.identities) == families
    assert (len(split.train), len(split.test)) == (3 * fonts.PHOTOS, 2 * fonts.PHOTOS)
    seen = set()
    for file in split.train.photos():
        with Image.open(str(file)) as image:
            pixels = np.asarray(image)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert pixels.shape == (64, 64)
        assert np.ptp(pixels) > 60
        assert np.median(edge) == pixels.max()  # nothing but paper at most of the edge
        seen.add(pixels.tobytes())
    assert len(seen) == len(split.train)
