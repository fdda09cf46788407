"""InsightFace's ``.bin`` validation sets (LFW, CFP-FP, AgeDB-30 …), read in place and written.

A set is a pickle of ``(images, same)``: 2N encoded photos and N booleans; pair k is the photos 2k
and 2k+1. It is not unpickled: its images are located in the file (see ``pickle_walk``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from likewise.data.manifest import Manifest
from likewise.data.pairs import Pairs, match_names
from likewise.data.protocols.pickle_values import Pixels, Stored
from likewise.data.protocols.pickle_walk import walk_pickle
from likewise.data.store import MAX_PHOTO_BYTES, ByteFile, photo_bytes
from likewise.errors import InputError
from likewise.storage import new_file

__all__ = ["BinStore", "VerificationSet", "pack_pairs", "read_bin", "write_bin"]

FOLDS = 10
BATCH = 1000  # images or answers appended per opcode, so that the reader's stack stays small


@dataclass(frozen=True)
class VerificationSet:
    """Photos and verification pairs.

    Args:
        photos: 2N photos named ``000000.jpg``, ``000001.jpg`` …, without identities.
        pairs: N pairs by name, in ten consecutive folds of equal size, as in InsightFace's
            evaluation (one fold if there are fewer than ten pairs).
    """

    photos: Manifest
    pairs: Pairs


class BinStore:
    """The images of a ``.bin`` set; ``place`` is the row.

    Args:
        path: the file.
        offsets: int64 [2N], the offset of each image.
        sizes: int64 [2N], its size in bytes.
        as_text: bool [2N], whether it was written as text, one Latin-1 character per byte.
    """

    def __init__(
        self,
        path: Path,
        offsets: NDArray[np.int64],
        sizes: NDArray[np.int64],
        as_text: NDArray[np.bool_],
    ) -> None:
        self.file = ByteFile(path)
        self.offsets, self.sizes, self.as_text = offsets, sizes, as_text

    def read(self, place: int) -> bytes:
        """The encoded image of a row.

        Raises:
            InputError: the file is cut short, or the image's text is not Latin-1.
        """
        found = self.file.read(int(self.offsets[place]), int(self.sizes[place]))
        if not self.as_text[place]:
            return found
        try:
            return found.decode("utf-8").encode("latin-1")
        except UnicodeError:
            raise InputError(f"{self.file.path}: image {place}: its text is damaged") from None

    def photo_bytes(self, place: int) -> int:
        """The size of a row's image in bytes; for text, the number of characters."""
        size = int(self.sizes[place])
        if not self.as_text[place]:
            return size
        text = np.frombuffer(self.file.read(int(self.offsets[place]), size), np.uint8)
        return int(np.count_nonzero((text & 0xC0) != 0x80))  # all but UTF-8's continuation bytes


def read_bin(path: str | Path) -> VerificationSet:
    """Read a ``.bin`` validation set in place; none of its code runs.

    Raises:
        InputError: it is damaged, would run code, or is not a pair (images, same).

    Example:
        >>> from likewise.data.protocols.verification_bin import read_bin, write_bin
        >>> from pathlib import Path
        >>> shots = sorted(Path(photos).glob("anna/*"))[:2]
        >>> write_bin(Path(photos) / "two.bin", (shot.read_bytes() for shot in shots), [True])
        >>> read_bin(Path(photos) / "two.bin").pairs.left
        ['000000.jpg']
    """
    path = Path(path)
    match walk_pickle(path):
        case (list() | tuple() as images, list() | tuple() as answers):
            pass
        case _:
            raise InputError(f"{path}: not a validation set, which holds two lists (images, same)")
    if not answers or len(images) != 2 * len(answers):
        raise InputError(
            f"{path}: {len(images)} images for {len(answers)} pairs; a pair has two images"
        )
    for number, answer in enumerate(answers):
        if not isinstance(answer, int) or answer not in (0, 1):
            raise InputError(f"{path}: pair {number}: expected True or False")
    found = [_image(path, number, image) for number, image in enumerate(images)]
    store = BinStore(
        path,
        np.array([image.offset for image in found], np.int64),
        np.array([image.size for image in found], np.int64),
        np.array([image.coding == "latin1" for image in found], np.bool_),
    )
    names = [f"{row:06d}.jpg" for row in range(len(found))]
    # Without identities, the sizes make the fingerprints of sets differ.
    photo_bytes = np.array([store.photo_bytes(row) for row in range(len(found))], np.int64)
    columns = {"path": names, "bytes": photo_bytes, "place": np.arange(len(found))}
    same = np.array(answers, dtype=np.bool_)
    pairs = Pairs(names[::2], names[1::2], same, _folds(len(same)))
    return VerificationSet(Manifest(pa.table(columns), path, store), pairs)


def write_bin(path: str | Path, images: Iterable[bytes], same: ArrayLike) -> None:
    """Write a ``.bin`` validation set: a pickle of protocol 4 with plain bytes.

    The images are streamed, so a set larger than memory can be written.

    Args:
        path: the file.
        images: 2N encoded photos; pair k is the photos 2k and 2k+1. InsightFace expects them
            aligned, 112×112.
        same: bool [N], whether pair k is genuine.

    Raises:
        InputError: there are not two images per pair, or an image is empty or too large.
    """
    path = Path(path)
    answers = np.asarray(same)
    if answers.ndim != 1 or not len(answers) or not np.isin(answers, (0, 1)).all():
        raise InputError("same: expected [N] of True or False, N ≥ 1")
    count = 0
    with new_file(path) as temporary, temporary.open("wb") as stream:
        stream.write(b"\x80\x04]")
        for count, image in enumerate(images, start=1):
            if not isinstance(image, bytes) or not 0 < len(image) <= MAX_PHOTO_BYTES:
                raise InputError(f"images: number {count - 1}: must be bytes of a photo")
            if (count - 1) % BATCH == 0:
                stream.write(b"e(" if count > 1 else b"(")
            stream.write(b"B" + struct.pack("<I", len(image)))
            stream.write(image)
        if count != 2 * len(answers):
            raise InputError(f"images: {count} for {len(answers)} pairs; a pair has two")
        stream.write(b"e]")
        for start in range(0, len(answers), BATCH):
            truth = (b"\x88" if answer else b"\x89" for answer in answers[start : start + BATCH])
            stream.write(b"(" + b"".join(truth) + b"e")
        stream.write(b"\x86.")


def pack_pairs(path: str | Path, pairs: Pairs, photos: Manifest) -> None:
    """Write pairs and their photos as a ``.bin`` set, sorted by fold.

    The photos are written unchanged: align them first. A ``.bin`` holds neither names nor folds;
    its readers assume ten consecutive folds of equal size.

    Args:
        path: the file.
        pairs: the pairs, by name (``read_pairs``).
        photos: the photos.

    Raises:
        InputError: photos are missing; names the first.
    """
    found, missing = match_names(pairs, photos.names)
    if missing:
        raise InputError(
            f"{photos.root}: {len(missing)} photos of the pairs are missing; the first is "
            f"{missing[0]!r}"
        )
    order = np.argsort(found.fold, kind="stable")
    left, right = np.asarray(found.left)[order], np.asarray(found.right)[order]

    def images() -> Iterator[bytes]:
        for row in np.stack([left, right], axis=1).ravel().tolist():
            yield photo_bytes(photos.photo(row))

    write_bin(path, images(), found.same[order])


def _image(path: Path, number: int, image: Any) -> Stored:
    if isinstance(image, Pixels) and image.data is not None:
        data, shape = image.data, image.shape
        if len(shape) != 1:
            raise InputError(
                f"{path}: image {number}: an array of {len(shape)} dimensions; expected the bytes "
                "of an encoded image"
            )
        if data.coding == "bytes" and shape[0] != data.size:
            raise InputError(f"{path}: image {number}: {shape[0]} numbers in {data.size} bytes")
        image = data
    if not isinstance(image, Stored) or image.coding == "text":
        raise InputError(f"{path}: image {number}: expected bytes or a uint8 array")
    if not 0 < image.size <= 2 * MAX_PHOTO_BYTES:  # a byte may take two as text
        raise InputError(
            f"{path}: image {number}: {image.size:,} bytes; must be from 1 to {MAX_PHOTO_BYTES:,}"
        )
    return image


def _folds(pairs: int) -> NDArray[np.int64]:
    if pairs < FOLDS:
        return np.zeros(pairs, np.int64)
    sizes = np.full(FOLDS, pairs // FOLDS)
    sizes[: pairs % FOLDS] += 1
    return np.repeat(np.arange(FOLDS, dtype=np.int64), sizes)
