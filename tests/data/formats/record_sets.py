"""Small sets in RecordIO for the tests, written by plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from likewise.data.containers.image_record import pack
from likewise.data.containers.recordio import encode_record
from likewise.data.manifest import Manifest

Record = tuple[int, bytes]  # key, and the whole image record


def write_set(folder: Path, records: Sequence[Record], name: str = "train") -> Path:
    """A ``.rec`` with its ``.idx``."""
    folder.mkdir(parents=True, exist_ok=True)
    rec, idx = b"", ""
    for key, record in records:
        idx += f"{key}\t{len(rec)}\n"
        rec += encode_record(record)
    path = folder / f"{name}.rec"
    path.write_bytes(rec)
    path.with_suffix(".idx").write_text(idx)
    return path


def with_ranges(labels: Sequence[float]) -> list[Record]:
    """InsightFace's form: an image a label (its text is its payload), grouped; identities after."""
    a = len(labels) + 1
    images = [(key, pack(b"photo %d" % key, label, key)) for key, label in enumerate(labels, 1)]
    firsts = [k for k in range(1, a) if k == 1 or labels[k - 1] != labels[k - 2]]
    identities = [
        (a + n, pack(b"", (first, end), a + n))
        for n, (first, end) in enumerate(zip(firsts, [*firsts[1:], a], strict=True))
    ]
    return [(0, pack(b"", (a, a + len(firsts)), 0)), *images, *identities]


def flat(labels: Sequence[float]) -> list[Record]:
    """Every record an image."""
    return [(key, pack(b"photo %d" % key, label, key)) for key, label in enumerate(labels)]


def said(manifest: Manifest) -> list[tuple[str, str, bytes]]:
    """Name, identity and bytes of each photo."""
    identities = manifest.table["identity"].to_pylist()
    photos = [photo.read() for photo in manifest.photos()]
    return list(zip(manifest.names, identities, photos, strict=True))
