"""Every photo of a set, read once: its size, format, colours, digests, and why it is broken."""

from __future__ import annotations

import hashlib
import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.data.images import BadImage, decode, readable_formats, why_unknown
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.reader import read_ahead
from likewise.data.store import MAX_PHOTO_BYTES, StoredPhoto
from likewise.errors import InputError
from likewise.progress import progress

__all__ = ["SIDE", "Census", "joined", "miniature", "take_census"]

SIDE = 32  # of the grey miniature that doubles are looked for in
DIGEST = 32
AHEAD = 64  # photos that may be read before they are asked for
IN_MEMORY = 200_000  # miniatures; of more, the system may keep those in use
GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")


@dataclass(frozen=True)
class Census:
    """What was found in each photo, row by row.

    Args:
        sizes: width and height in pixels, int32 [N,2]; 0 where a photo is broken.
        bytes: of each file, int64 [N].
        formats: JPEG, PNG, …; empty where a photo is broken.
        colours: ``colour``, ``grey``, or ``grey stored as colour``; empty where it is not known.
        broken: the rows that cannot be used, and why.
        digests: SHA-256 of the decoded pixels, uint8 [N,32]; None if only headers were read.
        grey: miniatures, uint8 [N,1024]; None likewise. They may lie in a temporary file.
    """

    sizes: NDArray[np.int32]
    bytes: NDArray[np.int64]
    formats: list[str]
    colours: list[str]
    broken: dict[int, str]
    digests: NDArray[np.uint8] | None
    grey: NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.formats)

    @property
    def readable(self) -> NDArray[np.int64]:
        """The rows that can be used, ascending."""
        good = np.ones(len(self), bool)
        good[list(self.broken)] = False
        return np.flatnonzero(good)


@dataclass(frozen=True)
class _Seen:
    size: tuple[int, int]
    weight: int
    format: str
    colour: str
    digest: bytes = b""
    grey: NDArray[np.uint8] | None = None


def take_census(manifest: Manifest, *, headers_only: bool = False) -> Census:
    """Read every photo once, in threads; at most some dozens are in memory at a time.

    Args:
        manifest: the photos.
        headers_only: do not decode: many times quicker, but damage behind the header goes unseen
            and doubles are not looked for.

    Raises:
        InputError: not one of the photos is there.
    """
    require_some_photo(manifest)
    count = len(manifest)
    sizes, weights = np.zeros((count, 2), np.int32), np.zeros(count, np.int64)
    formats, colours, broken = [""] * count, [""] * count, {}
    digests = None if headers_only else np.zeros((count, DIGEST), np.uint8)
    grey = None if headers_only else _miniatures(count)
    with progress("reading", count) as advance:
        for row, seen in enumerate(_read_all(manifest, headers_only)):
            advance(1)
            if isinstance(seen, BadImage):
                broken[row] = seen.reason
                continue
            sizes[row], weights[row] = seen.size, seen.weight
            formats[row], colours[row] = seen.format, seen.colour
            if digests is not None and grey is not None and seen.grey is not None:
                digests[row] = np.frombuffer(seen.digest, np.uint8)
                grey[row] = seen.grey
    return Census(sizes, weights, formats, colours, broken, digests, grey)


def miniature(image: Image.Image) -> NDArray[np.uint8]:
    """A picture in grey and small, uint8 [1024]."""
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.uint8).reshape(-1)


def joined(left: Census, right: Census) -> Census:
    """Both, the rows of ``right`` behind those of ``left``."""
    digests = grey = None
    if left.digests is not None and right.digests is not None:
        digests = np.concatenate([left.digests, right.digests])
    if left.grey is not None and right.grey is not None:
        grey = _miniatures(len(left) + len(right))
        grey[: len(left)], grey[len(left) :] = left.grey, right.grey
    return Census(
        np.concatenate([left.sizes, right.sizes]),
        np.concatenate([left.bytes, right.bytes]),
        left.formats + right.formats,
        left.colours + right.colours,
        left.broken | {len(left) + row: reason for row, reason in right.broken.items()},
        digests,
        grey,
    )


def _miniatures(count: int) -> NDArray[np.uint8]:
    shape = (count, SIDE * SIDE)
    if count <= IN_MEMORY:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile() as stream:  # the map keeps the file, which has no name any more
        return np.memmap(stream, np.uint8, "w+", shape=shape)


def _read_all(manifest: Manifest, headers_only: bool) -> Iterator[_Seen | BadImage]:
    """What each photo is, in order."""

    def look(row: int) -> _Seen:
        return _look(manifest.photo(row), headers_only)

    return read_ahead(range(len(manifest)), look, ahead=AHEAD)


def _look(photo: Path | StoredPhoto, headers_only: bool) -> _Seen:
    name = str(photo)
    if headers_only and isinstance(photo, Path):
        header = _header(photo, name)
        return _Seen(header.size, photo.stat().st_size, header.format, header.colour)
    encoded = _bytes(photo)
    header = _header(io.BytesIO(encoded), name)
    if headers_only:
        return _Seen(header.size, len(encoded), header.format, header.colour)
    try:
        image = decode(encoded)
    except BadImage as bad:
        raise BadImage(name, bad.reason) from None
    pixels = np.asarray(image)
    colour = header.colour
    if colour == "colour" and (pixels == pixels[:, :, :1]).all():
        colour = "grey stored as colour"
    digest = hashlib.sha256(f"{image.size}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    grey = miniature(image)
    return _Seen(header.size, len(encoded), header.format, colour, digest.digest(), grey)


def _bytes(photo: Path | StoredPhoto) -> bytes:
    try:
        if isinstance(photo, StoredPhoto):
            return photo.read()
        size = photo.stat().st_size
        if size > MAX_PHOTO_BYTES:
            raise BadImage(str(photo), f"{size:,} bytes; at most {MAX_PHOTO_BYTES:,} are read")
        return photo.read_bytes()
    except FileNotFoundError:
        raise BadImage(str(photo), "no such file") from None
    except OSError as error:
        raise BadImage(str(photo), f"cannot be read ({error.strerror})") from None
    except InputError as error:
        raise BadImage(str(photo), str(error)) from None


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]
    format: str
    colour: str


def _header(source: Path | io.BytesIO, name: str) -> _Header:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=readable_formats()) as image:
                grey = image.mode in GREY_MODES or image.mode.startswith("I")
                colour = "grey" if grey else "colour"
                return _Header(image.size, image.format or "", colour)
    except FileNotFoundError:
        raise BadImage(name, "no such file") from None
    except Exception:  # Pillow's openers raise nearly anything on hostile bytes
        start = source if isinstance(source, Path) else source.getvalue()
        raise BadImage(name, why_unknown(start)) from None
