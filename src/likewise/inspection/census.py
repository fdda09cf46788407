"""Size, format, colours and digests of every photo of a set, and the broken photos."""

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

__all__ = ["SIDE", "Census", "concatenated", "take_census", "thumbnail"]

SIDE = 32  # pixels of the grey thumbnail that near-duplicates are searched with
DIGEST = 32
AHEAD = 64  # photos read ahead
IN_MEMORY = 200_000  # thumbnails; more are kept in a memory-mapped temporary file
GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")


@dataclass(frozen=True)
class Census:
    """The properties of each photo, by row.

    Args:
        sizes: width and height in pixels, int32 [N,2]; 0 where a photo is broken.
        bytes: of each file, int64 [N].
        formats: JPEG, PNG, …; empty where a photo is broken.
        colours: ``colour``, ``grey``, or ``grey stored as colour``; empty where a photo is broken.
        broken: the reason why a photo cannot be used, by row.
        digests: SHA-256 of the decoded pixels, uint8 [N,32]; None if only headers were read.
        grey: grey thumbnails, uint8 [N,1024], possibly in a temporary file; None as for digests.
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
class _PhotoFacts:
    """The part of the census that one photo gives."""

    size: tuple[int, int]
    length: int
    format: str
    colour: str
    digest: bytes = b""
    grey: NDArray[np.uint8] | None = None


def take_census(manifest: Manifest, *, headers_only: bool = False) -> Census:
    """Read every photo once, in threads; at most a few dozen are in memory at a time.

    Args:
        manifest: the photos.
        headers_only: do not decode: many times faster, but damage behind the header is not
            detected, and duplicates cannot be found.

    Raises:
        InputError: none of the photos exists.
    """
    require_some_photo(manifest)
    count = len(manifest)
    sizes, lengths = np.zeros((count, 2), np.int32), np.zeros(count, np.int64)
    formats, colours, broken = [""] * count, [""] * count, {}
    digests = None if headers_only else np.zeros((count, DIGEST), np.uint8)
    grey = None if headers_only else _thumbnails(count)
    with progress("reading", count) as advance:
        for row, found in enumerate(_read_all(manifest, headers_only)):
            advance(1)
            if isinstance(found, BadImage):
                broken[row] = found.reason
                continue
            sizes[row], lengths[row] = found.size, found.length
            formats[row], colours[row] = found.format, found.colour
            if digests is not None and grey is not None and found.grey is not None:
                digests[row] = np.frombuffer(found.digest, np.uint8)
                grey[row] = found.grey
    return Census(sizes, lengths, formats, colours, broken, digests, grey)


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """A picture in grey at 32×32 pixels, uint8 [1024]."""
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.uint8).reshape(-1)


def concatenated(left: Census, right: Census) -> Census:
    """One census of both sets: the rows of ``right`` follow those of ``left``."""
    digests = grey = None
    if left.digests is not None and right.digests is not None:
        digests = np.concatenate([left.digests, right.digests])
    if left.grey is not None and right.grey is not None:
        grey = _thumbnails(len(left) + len(right))
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


def _thumbnails(count: int) -> NDArray[np.uint8]:
    shape = (count, SIDE * SIDE)
    if count <= IN_MEMORY:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile() as stream:  # the mapping keeps the unlinked file alive
        return np.memmap(stream, np.uint8, "w+", shape=shape)


def _read_all(manifest: Manifest, headers_only: bool) -> Iterator[_PhotoFacts | BadImage]:
    """The facts of each photo, in the order of the rows."""

    def read(row: int) -> _PhotoFacts:
        return _photo_facts(manifest.photo(row), headers_only)

    return read_ahead(range(len(manifest)), read, ahead=AHEAD)


def _photo_facts(photo: Path | StoredPhoto, headers_only: bool) -> _PhotoFacts:
    name = str(photo)
    if headers_only and isinstance(photo, Path):
        header = _header(photo, name)
        return _PhotoFacts(header.size, photo.stat().st_size, header.format, header.colour)
    encoded = _bytes(photo)
    header = _header(io.BytesIO(encoded), name)
    if headers_only:
        return _PhotoFacts(header.size, len(encoded), header.format, header.colour)
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
    grey = thumbnail(image)
    return _PhotoFacts(header.size, len(encoded), header.format, colour, digest.digest(), grey)


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
    except Exception:  # Pillow raises many kinds of exception on hostile bytes
        start = source if isinstance(source, Path) else source.getvalue()
        raise BadImage(name, why_unknown(start)) from None
