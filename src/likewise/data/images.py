"""Decode any photo into plain 8-bit pixels, or say in one line why it cannot be."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from likewise.data.store import MAX_PHOTO_BYTES, StoredPhoto
from likewise.errors import InputError, LikewiseError

__all__ = ["EXTENSIONS", "BadImage", "ImageSource", "decode"]

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
)
# Decoders that read pixels and nothing else; PostScript and other formats that run code stay out.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "TIFF", "GIF")
MAX_PIXELS = 100_000_000  # 300 MB of RGB: above any phone's photo, below a decompression bomb
MIN_SIDE = 8

ImageSource = str | Path | bytes | StoredPhoto | Image.Image | NDArray[np.uint8]


class BadImage(LikewiseError):
    """An image that cannot be used: its name and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadImage], tuple[str, str]]:
        return BadImage, (self.name, self.reason)


def decode(
    source: ImageSource, *, channels: Literal[1, 3] = 3, least: int | None = None
) -> Image.Image:
    """Open ``source`` upright, in 8 bits, as RGB (``channels=3``) or grey (``channels=1``).

    Photos are turned as their EXIF says; 16-bit pixels are scaled to 8; CMYK, palettes and
    transparency (over white) are converted; of an animation the first frame is taken.

    Args:
        source: a path, the encoded bytes, a photo in a store, a PIL image, or uint8 pixels [H,W],
            [H,W,1] or [H,W,3] (RGB).
        channels: 3 for colour, 1 for grey.
        least: that many pixels a side are enough: a large JPEG is decoded at a half, a quarter or
            an eighth of its size, several times as fast, as long as both sides keep them.

    Raises:
        BadImage: it is missing, not an image, truncated, smaller than 8 pixels on a side, or
            larger than 100 megapixels (checked before anything is decoded).
    """
    name = _name_of(source)
    if isinstance(source, np.ndarray):
        return _to_mode(_from_pixels(source), channels)
    if isinstance(source, Image.Image):
        _check_size(source, name)
        return _convert(source, channels, name, ours=False)
    try:
        # A size warning of PIL's own would only repeat the check below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(_opened(source, name), formats=FORMATS) as image:
                _check_size(image, name)
                if least is not None:
                    image.draft(None, (least, least))
                return _convert(image, channels, name)
    except BadImage:
        raise
    except FileNotFoundError:
        raise BadImage(name, "no such file") from None
    except UnidentifiedImageError:
        raise BadImage(name, "not an image, or of an unsupported format") from None
    except Image.DecompressionBombError:
        raise BadImage(name, f"more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise BadImage(name, "too little memory to decode it") from None
    except Exception as error:  # PIL's decoders raise nearly anything on hostile bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadImage(name, f"cannot be decoded ({reason})") from None


def _name_of(source: ImageSource) -> str:
    if isinstance(source, str | Path | StoredPhoto):
        return str(source)
    return getattr(source, "filename", "") or "image in memory"


def _opened(source: str | Path | bytes | StoredPhoto, name: str) -> Path | io.BytesIO:
    if isinstance(source, StoredPhoto):
        try:
            source = source.read()
        except InputError as error:
            raise BadImage(name, str(error)) from None
    if not isinstance(source, bytes):
        return Path(source)
    if len(source) > MAX_PHOTO_BYTES:
        raise BadImage(name, f"{len(source):,} bytes; at most {MAX_PHOTO_BYTES:,} are read")
    return io.BytesIO(source)


def _from_pixels(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != np.uint8 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    ):
        raise InputError(
            "image: pixels must be uint8 of shape [H,W], [H,W,1] or [H,W,3]; "
            f"got {pixels.dtype} {list(pixels.shape)}"
        )
    image = Image.fromarray(pixels)
    _check_size(image, "image in memory")
    return image


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(
            name, f"{width}×{height} pixels; at most {MAX_PIXELS // 10**6} megapixels are read"
        )
    if min(width, height) < MIN_SIDE:
        raise BadImage(name, f"{width}×{height} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed")


def _convert(
    image: Image.Image, channels: Literal[1, 3], name: str, *, ours: bool = True
) -> Image.Image:
    """Load and turn an image, in place if it is ``ours``."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage(name, f"cannot be decoded ({error})") from None
    if ours:
        ImageOps.exif_transpose(image, in_place=True)
    else:
        image = ImageOps.exif_transpose(image)
    return _to_mode(image, channels)


def _to_mode(image: Image.Image, channels: Literal[1, 3]) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit integers, and floats of range 0…1 or 0…255, to 8 bits."""
    pixels = np.nan_to_num(np.asarray(image).astype(np.float64))
    if image.mode == "F":
        full = 1.0 if float(pixels.max(initial=0.0)) <= 1.0 else 255.0
    else:
        full = 65535.0
    return Image.fromarray(np.clip(np.rint(pixels * (255.0 / full)), 0, 255).astype(np.uint8))
