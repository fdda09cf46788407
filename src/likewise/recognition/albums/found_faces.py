"""The faces of albums on disk: kept as they are found, so that a second start continues."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from likewise.errors import InputError, LikewiseError, cannot_write, first_line
from likewise.faces.detectors.suppression import overlaps
from likewise.pages.pictures import jpeg
from likewise.recognition.albums.clarity import clarity
from likewise.recognition.recognizer import RecognizedFace
from likewise.storage import new_file, output_folder

__all__ = ["FaceJournal", "FaceTable", "read_faces", "write_faces"]

FACES = "faces"
EVERY_PHOTOS, EVERY_SECONDS = 64, 10.0  # between two parts of the journal
THUMBNAIL, QUALITY = 80, 80  # pixels; of JPEG
SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("face", pa.int64()),  # null: a row for a photo without faces
        ("problem", pa.string()),
        ("box", pa.list_(pa.float32())),
        ("points", pa.list_(pa.float32())),
        ("score", pa.float32()),
        ("landmark_score", pa.float32()),
        ("turn", pa.float32()),
        ("norm", pa.float32()),
        ("quality", pa.float32()),
        ("reasons", pa.list_(pa.string())),
        ("vector", pa.list_(pa.float32())),
        ("thumbnail", pa.binary()),
    ]
)
MODEL = b"likewise_model"


class FaceTable:
    """Faces of many photos, in the order in which they were found.

    Args:
        rows: a table of ``SCHEMA``.
        model: the fingerprint of the embedder; empty if there are no rows.
    """

    def __init__(self, rows: pa.Table, model: str) -> None:
        self.rows, self.model = rows, model
        self.faces: pa.Table = rows.filter(pc.is_valid(rows["face"]))
        self.numbers: list[int] = self.faces["face"].to_pylist()
        self.photos: list[str] = self.faces["photo"].to_pylist()

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """float32 [N,D], of unit length."""
        return _matrix(self.faces["vector"], len(self))

    @property
    def boxes(self) -> NDArray[np.float32]:
        """float32 [N,4]: x, y, width and height."""
        return _matrix(self.faces["box"], len(self))

    def clarity(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Two of bool [N]: which faces found a group, and which join one."""
        norms = np.asarray(self.faces["norm"].combine_chunks(), np.float32)
        unknown = pc.fill_null(self.faces["quality"], np.float32("nan"))
        plain = pc.equal(pc.list_value_length(self.faces["reasons"]), 0)
        return clarity(
            norms,
            np.asarray(unknown.combine_chunks(), np.float32),
            np.asarray(plain.combine_chunks(), bool),
        )

    def problems(self) -> dict[str, str | None]:
        """Every photo that was read, and why it could not be decoded (None if it could)."""
        return dict(
            zip(self.rows["photo"].to_pylist(), self.rows["problem"].to_pylist(), strict=True)
        )

    def paired_with(self, others: FaceTable, least: float = 0.5) -> dict[int, int]:
        """The face of ``others`` that is at the same place of the same photo, for each face.

        Args:
            others: other faces of the same photos.
            least: the least intersection over union of the boxes.
        """
        theirs: dict[str, list[int]] = {}
        for row, photo in enumerate(others.photos):
            theirs.setdefault(photo, []).append(row)
        found, taken = {}, set()
        own, other = self.boxes, others.boxes
        for row, photo in enumerate(self.photos):
            rows = [one for one in theirs.get(photo, []) if one not in taken]
            shared = overlaps(own[row], other[rows])[0]
            if shared.max(initial=0) >= least:
                best = rows[int(shared.argmax())]
                taken.add(best)
                found[self.numbers[row]] = others.numbers[best]
        return found

    def of_photos(self, photos: set[str]) -> FaceTable:
        """The rows of these photos."""
        kept = pc.is_in(self.rows["photo"], pa.array(sorted(photos), pa.string()))
        return FaceTable(self.rows.filter(kept), self.model)


def _matrix(column: pa.ChunkedArray, count: int) -> NDArray[np.float32]:
    if not count:
        return np.empty((0, 0), np.float32)
    flat = np.asarray(pc.list_flatten(column).combine_chunks(), np.float32)
    return flat.reshape(count, -1)


class FaceJournal:
    """Writes faces to disk in small parts while they are found.

    Args:
        folder: of the albums.
        generation: parts of another one are not touched.
        model: the fingerprint of the embedder.
        next_face: the number of the next face.
    """

    def __init__(self, folder: Path, generation: int, model: str, next_face: int) -> None:
        self.folder, self.generation = output_folder(folder / FACES), generation
        self.model, self.next_face = model, next_face
        self._rows: list[dict[str, Any]] = []
        self._photos, self._since = 0, time.monotonic()
        taken = [int(path.stem.split("-")[2]) for path in _parts(folder, generation)]
        self._part = max(taken, default=0) + 1

    def add(self, photo: str, faces: Sequence[RecognizedFace], problem: str | None = None) -> None:
        """Add a photo (its SHA-256) with its faces, or with the reason why it has none."""
        for found in faces:
            self._rows.append(_row(photo, self.next_face, found))
            self.next_face += 1
        if not faces:
            self._rows.append({"photo": photo, "problem": problem})
        self._photos += 1
        if self._photos >= EVERY_PHOTOS or time.monotonic() - self._since > EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last part.

        Raises:
            LikewiseError: it cannot be written.
        """
        if self._rows:
            path = self.folder / f"part-{self.generation}-{self._part:05d}.parquet"
            _write(pa.Table.from_pylist(self._rows, SCHEMA), self.model, path)
            self._part += 1
        self._rows, self._photos, self._since = [], 0, time.monotonic()


def _row(photo: str, number: int, found: RecognizedFace) -> dict[str, Any]:
    face = found.face
    return {
        "photo": photo,
        "face": number,
        "box": list(map(float, face.box)),
        "points": np.asarray(face.points, np.float32).ravel().tolist(),
        "score": face.score,
        "landmark_score": face.landmark_score,
        "turn": face.turn,
        "norm": float(found.norm),
        "quality": found.quality,
        "reasons": list(face.reasons),
        "vector": np.asarray(found.vector, np.float32).tolist(),
        "thumbnail": _thumbnail(face.crop),
    }


def _thumbnail(crop: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(crop)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return jpeg(image, QUALITY)


def read_faces(folder: Path, generation: int) -> FaceTable:
    """All faces of a generation that are on disk; of a photo that was read twice, the last reading.

    Raises:
        InputError: a file is damaged, or its faces are of another model than the others.
    """
    tables, model = [], ""
    for path in (*_whole(folder, generation), *_parts(folder, generation)):
        table = _read(path)
        named = (table.schema.metadata or {}).get(MODEL, b"").decode()
        if model and named != model:
            raise InputError(f"{path}: faces of another model; delete the file")
        model = named
        tables.append(table.replace_schema_metadata(None))
    rows = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    if len(tables) > 1:  # a crash before the parts were deleted, or a photo that was broken before
        part = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables]).tolist()
        photos = rows["photo"].to_pylist()
        last = dict(zip(photos, part, strict=True))
        keep = [last[photo] == number for photo, number in zip(photos, part, strict=True)]
        rows = rows.filter(pa.array(keep))
    return FaceTable(rows.combine_chunks(), model)


def _read(path: Path) -> pa.Table:
    remedy = (
        "restore it from a backup, or delete it: its photos are read again, and groups lose them"
    )
    try:
        table = pq.read_table(path)
        if table.schema.names != SCHEMA.names:
            raise InputError(f"{path}: not the faces of albums; {remedy}")
        table = table.cast(SCHEMA.with_metadata(table.schema.metadata))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged ({first_line(error)}); {remedy}") from None
    real = table.filter(pc.is_valid(table["face"]))
    for column, size in (("vector", None), ("box", 4)):
        lengths = set(pc.list_value_length(real[column]).unique().to_pylist())
        if len(lengths) > 1 or None in lengths or (size and lengths - {size}):
            raise InputError(f"{path}: damaged ({column}: lengths that differ); {remedy}")
    if not np.isfinite(_matrix(real["vector"], real.num_rows)).all():
        raise InputError(f"{path}: damaged (a vector that is not finite); {remedy}")
    return table


def write_faces(faces: FaceTable, folder: Path, generation: int) -> None:
    """Write all faces of a generation to one file, then delete its parts and other generations.

    Raises:
        LikewiseError: it cannot be written.
    """
    where = output_folder(folder / FACES)
    path = where / f"all-{generation}.parquet"
    _write(faces.rows, faces.model, path)
    for old in where.glob("*-*.parquet"):
        if old != path:
            try:
                old.unlink()
            except OSError as error:
                raise LikewiseError(cannot_write(old, error)) from None


def _write(rows: pa.Table, model: str, path: Path) -> None:
    with new_file(path) as temporary:
        pq.write_table(rows.replace_schema_metadata({MODEL: model}), temporary, compression="zstd")


def _whole(folder: Path, generation: int) -> list[Path]:
    path = folder / FACES / f"all-{generation}.parquet"
    return [path] if path.exists() else []


def _parts(folder: Path, generation: int) -> list[Path]:
    return sorted((folder / FACES).glob(f"part-{generation}-*.parquet"))
