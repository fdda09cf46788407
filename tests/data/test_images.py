"""Any photo becomes 8-bit pixels, or one line that says why not."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from likewise.data.images import FORMATS, BadImage, decode
from likewise.errors import InputError


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0]).astype(np.uint8)
    return Image.fromarray(ramp).convert(mode)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16", "I"])
def test_every_pixel_format_becomes_8_bits(mode: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / ("x.tif" if mode in {"CMYK", "I"} else "x.png")
    if mode == "I;16":
        Image.fromarray(np.asarray(gradient("L")).astype(np.uint16) * 257).save(path)
    elif mode == "I":
        Image.fromarray(np.asarray(gradient("L")).astype(np.int32) * 257).save(path)
    else:
        gradient(mode).save(path)
    image = decode(path, channels=channels)
    assert image.mode == ("L" if channels == 1 else "RGB")
    assert image.size == (24, 16)
    if mode != "1":
        grey = np.asarray(image.convert("L")).astype(int)
        assert np.abs(grey - np.asarray(gradient("L")).astype(int)).max() <= 3


def test_16_bit_pixels_keep_their_range() -> None:
    pixels = np.array([[0, 32768, 65535]] * 8, np.uint16).repeat(4, axis=1)
    image = decode(encoded(Image.fromarray(pixels)), channels=1)
    assert np.unique(np.asarray(image)).tolist() == [0, 128, 255]


def tiff_of(pixels: np.ndarray, bits: int, sample_format: int) -> bytes:
    """A grey, uncompressed TIFF of 12-bit samples (two in three bytes) or whole bytes."""
    height, width = pixels.shape
    data = pixels.tobytes()
    if bits == 12:
        pairs = pixels.reshape(-1, 2).tolist()
        data = b"".join((a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 134), (277, 1),
            (278, height), (279, len(data)), (339, sample_format)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


RAMP = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize(
    ("content", "scale"),
    [
        (tiff_of((RAMP * 16).astype(np.uint16), 12, 1), 16 * 255 / 4095),
        (tiff_of((RAMP * 4).astype(np.uint16), 12, 1), 4 * 255 / 4095),  # dark, and stays so
        (tiff_of((RAMP * 16).astype("<u2"), 16, 1), 16 * 255 / 4095),  # 12 bits, in 16
        (tiff_of((RAMP * 200).astype("<u2"), 16, 1), 200 * 255 / 65535),
        (tiff_of(RAMP.astype("<i4"), 32, 2), 1),
        (tiff_of((RAMP * 16).astype("<i4"), 32, 2), 16 * 255 / 4095),
        (tiff_of((RAMP * 60_000).astype("<i4"), 32, 2), 60_000 * 255 / (2**24 - 1)),
        (tiff_of((RAMP * 16_843_009).astype("<u4"), 32, 1), 1),
    ],
)
def test_pixels_of_more_than_8_bits_are_scaled_by_what_they_use(
    content: bytes, scale: float
) -> None:
    found = np.asarray(decode(content, channels=1)).astype(float)
    assert np.abs(found - RAMP * scale).max() <= 0.51


@pytest.mark.parametrize("most", [1.0, 255.0, 4095.0, 65535.0])
def test_floats_are_scaled_by_what_they_use(most: float) -> None:
    image = Image.fromarray((RAMP * (most / 255)).astype(np.float32))
    np.testing.assert_allclose(np.asarray(decode(image, channels=1)), RAMP, atol=1)


@pytest.mark.parametrize("kind", ["JPEG2000", "AVIF", "HEIF", "MPO", "DIB"])
def test_what_else_phones_and_archives_hold(kind: str) -> None:
    if kind == "HEIF":
        heif = pytest.importorskip("pillow_heif")
        buffer = io.BytesIO()
        heif.from_pillow(gradient(size=(64, 48))).save(buffer)
        content = buffer.getvalue()
    elif kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    else:
        content = encoded(gradient(size=(64, 48)), kind)
    grey = np.asarray(decode(content, channels=1)).astype(int)
    assert np.abs(grey - np.asarray(gradient("L", (64, 48))).astype(int)).max() <= 8


@pytest.mark.parametrize(
    ("brand", "reason"),
    [
        (b"heic", r"HEIC needs an extra package; .*likewise\[heic\]"),
        (b"avif", r"this Pillow reads no AVIF: pip install 'pillow>=11.3'"),
    ],
)
def test_what_is_missing_to_read_a_photo_is_said(
    brand: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("likewise.data.images.readable_formats", lambda: FORMATS)
    with pytest.raises(BadImage, match=reason):
        decode(b"\0\0\0\x18ftyp" + brand + bytes(64))


@pytest.mark.parametrize(("orientation", "corner"), [(1, "left"), (6, "right"), (3, "far")])
def test_photos_are_turned_as_their_exif_says(orientation: int, corner: str) -> None:
    pixels = np.zeros((16, 24), np.uint8)
    pixels[:4, :4] = 255  # a light upper left corner, as the camera stored it
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = np.asarray(decode(encoded(Image.fromarray(pixels), exif=exif), channels=1))
    expected = {"left": pixels, "right": np.rot90(pixels, -1), "far": np.rot90(pixels, 2)}
    np.testing.assert_array_equal(image, expected[corner])


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    assert np.asarray(decode(encoded(image))).min() == 255


def test_arrays_and_pil_images_are_taken_as_they_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 10, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(decode(pixels)), pixels)
    np.testing.assert_array_equal(np.asarray(decode(Image.fromarray(pixels))), pixels)
    with pytest.raises(InputError, match="uint8"):
        decode(pixels.astype(np.float32))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that claims, and would decode to, width × height pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height // 50))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.jpg", None, "no such file"),
        ("empty.jpg", b"", "empty: 0 bytes"),
        ("text.jpg", b"this is no photo\n" * 20, "not an image"),
        ("cut.jpg", encoded(gradient(size=(640, 640)), "JPEG")[:3000], "truncated"),
        ("cut.png", encoded(gradient(size=(64, 64)))[:-40], "decoded"),
        ("dot.png", encoded(Image.new("RGB", (1, 1))), "1×1 pixels; at least 8×8"),
        ("thin.png", encoded(Image.new("RGB", (300, 2))), "300×2 pixels"),
        ("bomb.png", bomb(20_000, 20_000), "more than 100,000,000 pixels"),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_a_bad_image_is_named_with_its_reason(
    name: str, content: bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadImage, match=reason) as caught:
        decode(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"]))
def test_damaged_files_are_decoded_or_refused(seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    damaged = bytearray(encoded(gradient(size=(32, 32)), kind))
    for place in random.integers(0, len(damaged), random.integers(1, 8)):
        damaged[place] = random.integers(256)
    try:
        image = decode(bytes(damaged[: random.integers(1, len(damaged) + 1)]))
    except BadImage as bad:
        assert "\n" not in str(bad)
    else:
        assert image.mode == "RGB"


def test_a_large_jpeg_is_decoded_small_but_never_too_small(tmp_path: Path) -> None:
    """The reduced decoding stays close to the whole one, and keeps the sides asked for."""
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8))
    smooth.resize((800, 600), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    whole = decode(tmp_path / "a.jpg")
    for least, size in (
        (224, (400, 300)),
        (150, (200, 150)),
        (301, (800, 600)),
        (2000, (800, 600)),
    ):
        reduced = decode(tmp_path / "a.jpg", least=least)
        assert reduced.size == size
        again = whole.resize(size, Image.Resampling.BOX)
        assert np.abs(np.asarray(reduced, float) - np.asarray(again, float)).mean() < 2
    assert decode(make_png(tmp_path), least=10).size == (40, 30)


def make_png(folder: Path) -> Path:
    Image.new("RGB", (40, 30)).save(folder / "b.png")
    return folder / "b.png"


def test_an_image_of_the_callers_own_stays_as_it_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6  # turned by a quarter
    Image.new("RGB", (40, 30), "red").save(tmp_path / "t.jpg", exif=exif)
    assert decode(tmp_path / "t.jpg").size == (30, 40)
    with Image.open(tmp_path / "t.jpg") as own:
        turned = decode(own)
        assert (turned.size, own.size) == ((30, 40), (40, 30))
        turned.putpixel((0, 0), (0, 0, 0))
        assert own.getpixel((0, 0)) != (0, 0, 0)
    straight = Image.new("RGB", (20, 20), "red")
    decode(straight).putpixel((0, 0), (0, 0, 0))
    assert straight.getpixel((0, 0)) == (255, 0, 0)


def test_a_folder_is_no_photo(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="is a folder; name the photos in it"):
        decode(tmp_path)
