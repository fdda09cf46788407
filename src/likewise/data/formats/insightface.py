"""Read a training set in MXNet's RecordIO, such as InsightFace's, as a manifest in place.

``NAME.rec`` holds the images, ``NAME.idx`` their offsets (see ``record_index``); ``NAME.lst`` may
name them and ``NAME.identities.tsv`` their identities (see ``record_list``); ``property`` holds
``classes,height,width``. There are two forms of sets:

- Record 0 has flag 2, no image, and the labels (a, b): the images have the keys 1 … a-1, and the
  identities the keys a … b-1. An identity's record has flag 2, no image, and the labels
  (first, last + 1), the keys of its images.
- Otherwise every record is an image.

An image's identity is its label: from the ``.lst`` if that has its key, as in MXNet's readers; else
from its header, which in the first form is read once per identity.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.containers.image_record import EXACT, RecordStore, record_labels
from likewise.data.containers.record_index import RecordIndex, read_index
from likewise.data.containers.record_list import read_identities, read_list
from likewise.data.formats.registry import register_format
from likewise.data.manifest import Manifest
from likewise.data.store import ByteFile
from likewise.errors import InputError

__all__ = ["key_names", "read"]

log = logging.getLogger(__name__)

ROWS = 2**20  # names created at a time


def recognises(path: Path) -> bool:
    """Whether this is a ``.rec`` file, or a folder that holds ``train.rec``."""
    return (path / "train.rec").is_file() or (path.suffix.lower() == ".rec" and path.is_file())


@register_format(
    "recordio", "a .rec, or a folder with train.rec", recognises=recognises, priority=90
)
def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # holds its photos
    """Read a ``.rec`` file, or the ``train.rec`` of a folder, with the files beside it.

    The name of a photo is its path in the ``.lst``, else its key, as ``00000001.jpg`` (whatever its
    encoding). Its identity is the name of its label in the identities file, else the label as text:
    ``7``, not ``7.0``; the first label if there are several.

    Raises:
        InputError: a file is damaged or belongs to another set; names the file and the place.
    """
    file = ByteFile(path / "train.rec" if path.is_dir() else path)
    index = read_index(file)
    if not len(index):
        raise InputError(f"{file.path}: holds no photos")
    _check_property(file.path.with_name("property"))
    images, identities = _split(file, index)
    listed = read_list(file.path.with_suffix(".lst"))
    if listed is not None and listed.keys is not None:
        listed = listed.of(images.keys)
        labels: NDArray[np.float32] | None = listed.labels
    else:
        labels = _labels_of_ranges(file, images, identities)
    if labels is None:
        headers = record_labels(file, images.offsets)
        labels = headers.labels[:, 0]
        photos = ~(headers.empty & (headers.flag == 2))
        if not photos.all():
            images, labels = images.only(photos), labels[photos]
    if not len(images):
        raise InputError(f"{file.path}: holds no photo")
    names = key_names(images.keys) if listed is None else listed.of(images.keys).names
    columns = {
        "path": names,
        "identity": _identities(file.path, labels),
        "place": pa.array(images.offsets),
    }
    return Manifest(pa.table(columns), file.path, RecordStore(file))


def key_names(keys: NDArray[np.int64]) -> pa.ChunkedArray:
    """Names for photos without one: the key in eight digits or more, and ``.jpg``."""
    texts = [
        pc.binary_join_element_wise(
            pc.utf8_lpad(pa.array(keys[row : row + ROWS]).cast(pa.string()), 8, "0"), ".jpg", ""
        )
        for row in range(0, len(keys), ROWS)
    ]
    return pa.chunked_array(texts, pa.string())


def _split(file: ByteFile, index: RecordIndex) -> tuple[RecordIndex, RecordIndex | None]:
    """The index of the images, and that of the identities; None if all records may be images."""
    if index.keys[0] != 0:
        return index, None
    first = record_labels(file, index.offsets[:1])
    if first.flag[0] != 2 or not first.empty[0]:
        return index, None
    a, b = first.labels[0].tolist()
    if not (a.is_integer() and b.is_integer() and 1 <= a <= b):
        raise InputError(
            f"{file.path}: record 0: ({a:g}, {b:g}) must be the first key of the identities and "
            "the key after the last; the file is damaged"
        )
    if b > EXACT:
        log.warning(
            "%s: has keys above 2^24, which float32 rounds; reading every header instead", file.path
        )
        return index.between(1, 2**63 - 1), None
    images, identities = index.between(1, int(a)), index.between(int(a), int(b))
    if len(images) != a - 1 or len(identities) != b - a:
        raise InputError(
            f"{file.path}: record 0 states {a - 1:.0f} images and {b - a:.0f} identities; the "
            f"index has {len(images)} and {len(identities)} of their keys"
        )
    return images, identities


def _labels_of_ranges(
    file: ByteFile, images: RecordIndex, identities: RecordIndex | None
) -> NDArray[np.float32] | None:
    """The label of each image, read once per identity; None if the ranges do not partition them."""
    if identities is None or not len(identities):
        return None
    headers = record_labels(file, identities.offsets)
    ranges = headers.labels[np.argsort(headers.labels[:, 0], kind="stable")]
    ranges = ranges[ranges[:, 0] != ranges[:, 1]]  # an identity may have no images left
    edges = np.append(ranges[:, 0], np.float32(len(images) + 1))
    fits = (headers.flag == 2).all() and (edges % 1 == 0).all() and edges[0] == 1
    if not fits or (ranges[:, 1] != edges[1:]).any() or (edges[1:] <= edges[:-1]).any():
        log.warning(
            "%s: the ranges of its identities do not partition its images; reading every header",
            file.path,
        )
        return None
    starts = edges.astype(np.int64)
    labels = record_labels(file, images.offsets[starts[:-1] - 1]).labels[:, 0]
    return np.repeat(labels, np.diff(starts))


def _identities(path: Path, labels: NDArray[np.float32]) -> pa.Array:
    """The identity of each label, as a dictionary array."""
    texts = read_identities(path.with_suffix(".identities.tsv"))
    if texts is not None:
        unknown = ~((labels >= 0) & (labels < len(texts)) & (labels % 1 == 0))
        if unknown.any():
            raise InputError(
                f"{path.with_suffix('.identities.tsv')}: no name for label "
                f"{_text(labels[int(np.argmax(unknown))])}; does it belong to another set?"
            )
        return pa.DictionaryArray.from_arrays(pa.array(labels.astype(np.int32)), texts)
    encoded = pa.array(labels + np.float32(0)).dictionary_encode()  # -0 and 0 are one label
    distinct = [_text(label) for label in encoded.dictionary.to_numpy()]
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(distinct, pa.string()))


def _text(label: np.float32) -> str:
    return str(int(label)) if np.isfinite(label) and label % 1 == 0 else str(label)


def _check_property(path: Path) -> None:
    """Refuse a ``property`` file that is not ``classes,height,width``; it may be absent."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        fields = stream.read(256).strip().split(b",")
    if len(fields) != 3 or not all(field.strip().isdigit() for field in fields):
        raise InputError(
            f"{path}: must be classes,height,width, such as 85742,112,112; "
            f"{b','.join(fields)[:60]!r} is not"
        )
