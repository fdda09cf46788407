"""Decode any photo into 8-bit pixels, or give the reason in one line why it cannot be decoded."""

from __future__ import annotations

import io
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from likewise.data.image_kind import START_BYTES, kind_of
from likewise.data.store import MAX_PHOTO_BYTES, DecodedStore, StoredPhoto
from likewise.errors import InputError, LikewiseError, MissingExtra, first_line

__all__ = ["BadImage", "ImageSource", "decode", "readable_formats", "why_unknown"]

# Formats that hold pixels only; PostScript and other formats that run code are left out.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "TIFF", "GIF", "DIB")
# Bits actually used by wider integers: 12-bit cameras store 16, and some programs store 32.
DEPTHS = (8, 12, 16, 24, 32)
BITS_PER_SAMPLE, SAMPLE_FORMAT, UNSIGNED = 258, 339, 1  # two TIFF tags, a value of the second
MAX_PIXELS = 100_000_000  # 300 MB of RGB: more than any phone's photo; a bomb is larger
MIN_SIDE = 8

ImageSource = str | Path | bytes | StoredPhoto | Image.Image | NDArray[np.uint8]


class BadImage(LikewiseError):
    """An image that cannot be decoded or used: its name and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadImage], tuple[str, str]]:
        return BadImage, (self.name, self.reason)


@cache
def readable_formats() -> tuple[str, ...]:
    """Pillow's names of the supported formats.

    JPEG 2000 and AVIF are supported if Pillow was built with them, HEIC if the extra ``heic`` is
    installed.
    """
    found = list(FORMATS)
    if features.check("jpg_2000"):
        found.append("JPEG2000")
    if features.check("avif"):
        found.append("AVIF")
    if find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener()
        found.append("HEIF")
    return tuple(found)


def decode(
    source: ImageSource, *, channels: Literal[1, 3] = 3, least: int | None = None
) -> Image.Image:
    """Decode ``source`` upright, in 8 bits, as RGB (``channels=3``) or grey (``channels=1``).

    The format is detected from the content, not from the name. Photos are rotated by their EXIF
    orientation; CMYK and palettes are converted; transparent pixels become white; of an animation
    the first frame is used. Integers of more than 8 bits are scaled down: white is the maximum of
    8, 12, 16, 24 or 32 bits, the smallest of these that holds every pixel, because files do not
    state which range the camera used; 12 bits if a TIFF says so. White of floats is 1, or their
    maximum if it is above 1.

    Args:
        source: a path, the encoded bytes, a photo in a store, a PIL image, or uint8 pixels [H,W],
            [H,W,1] or [H,W,3] (RGB).
        channels: 3 for colour, 1 for grey.
        least: the fewest pixels needed per side: a large JPEG is decoded at a half, a quarter or
            an eighth of its size, several times faster, if both sides keep at least as many.

    Raises:
        BadImage: it is missing, not an image, truncated, smaller than 8 pixels on a side, or
            larger than 100 megapixels (checked before anything is decoded).
    """
    name = _name_of(source)
    if isinstance(source, StoredPhoto) and isinstance(source.store, DecodedStore):
        source = _pixels_of(source.store, source.place, name)
    if isinstance(source, np.ndarray):
        return _to_mode(_from_pixels(source), channels)
    if isinstance(source, Image.Image):
        _check_size(source, name)
        return _convert(source, channels, name, ours=False)
    try:
        # Pillow's own size warning would only repeat the check below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(_opened(source, name), formats=readable_formats()) as image:
                _check_size(image, name)
                if least is not None:
                    image.draft(None, (least, least))
                return _convert(image, channels, name)
    except BadImage:
        raise
    except FileNotFoundError:
        raise BadImage(name, "no such file") from None
    except IsADirectoryError:
        raise BadImage(name, "is a folder; name the photos in it") from None
    except UnidentifiedImageError:
        raise BadImage(name, why_unknown(source)) from None
    except Image.DecompressionBombError:
        raise BadImage(name, f"more than {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise BadImage(name, "not enough memory to decode it") from None
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise BadImage(name, f"cannot be decoded ({first_line(error)})") from None


def _pixels_of(store: DecodedStore, place: int, name: str) -> Image.Image | NDArray[np.uint8]:
    """The photo that a store decodes itself; whatever it raises is told as a bad image."""
    try:
        return store.image(place)
    except BadImage:
        raise
    except Exception as error:  # it may be the dataset of a user, which raises anything
        raise BadImage(name, first_line(error)) from error


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


def why_unknown(source: str | Path | bytes | StoredPhoto) -> str:
    """The reason why Pillow cannot identify a file."""
    if isinstance(source, StoredPhoto):
        source = source.read()
    if isinstance(source, bytes):
        start = source[:START_BYTES]
    else:
        with Path(source).open("rb") as stream:
            start = stream.read(START_BYTES)
    if not start:
        return "empty: 0 bytes"
    kind = kind_of(start)
    if kind == ".heic" and "HEIF" not in readable_formats():
        return str(MissingExtra("HEIC", "heic"))
    if kind == ".avif" and "AVIF" not in readable_formats():
        return "this Pillow reads no AVIF: pip install 'pillow>=11.3'"
    return "not an image, or of an unsupported format"


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
    """Load and rotate an image; in place if it is ``ours``."""
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
    """Scale integers of more than 8 bits, and floats, to 8 bits; see ``decode``."""
    stored = np.asarray(image)
    if image.mode == "I" and _tag(image, SAMPLE_FORMAT) == UNSIGNED:
        stored = stored.view(np.uint32)  # Pillow has no mode for unsigned 32-bit integers
    pixels = np.nan_to_num(stored.astype(np.float64), posinf=0.0, neginf=0.0)
    most = float(pixels.max(initial=0.0))
    if image.mode == "F" and most <= 1.0:
        full = 1.0
    elif _tag(image, BITS_PER_SAMPLE) == 12:
        full = 4095.0
    else:
        full = next((2.0**bits - 1 for bits in DEPTHS if most < 2**bits), most)
    return Image.fromarray(np.clip(np.rint(pixels * (255.0 / full)), 0, 255).astype(np.uint8))


def _tag(image: Image.Image, number: int) -> int | None:
    """The value of a TIFF tag for the first band; None if it is not a TIFF or lacks the tag."""
    values = getattr(image, "tag_v2", {}).get(number)
    return values[0] if isinstance(values, tuple) and values else None
