"""The protocols of IJB-B and IJB-C: images, media, templates and pairs of templates.

"IARPA Janus Benchmark-B" (Whitelam et al., 2017) and "-C" (Maze et al., 2018), in the text
files published by InsightFace. Arrow parses them, because there are fifteen million pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from likewise.errors import InputError, first_line

__all__ = [
    "POINTS",
    "Ijb",
    "read_ijb",
    "read_landmarks",
    "read_template_pairs",
    "read_templates",
    "template_pair_batches",
]

BLOCK = 4 * 2**20  # bytes parsed at a time; no line is longer
POINTS = tuple(f"{axis}{n}" for n in range(1, 6) for axis in ("x", "y"))

_TEMPLATES = {"path": pa.string(), "template": pa.int32(), "media": pa.int32()}
_PAIRS = {"left": pa.int32(), "right": pa.int32(), "same": pa.int8()}
_LANDMARKS = {"path": pa.string(), **dict.fromkeys((*POINTS, "score"), pa.float32())}


@dataclass(frozen=True)
class Ijb:
    """The protocol: a template consists of media, and a medium of images.

    Args:
        images: path, template and media (int32), the five landmarks x1 … y5 in pixels and the
            detector's score (float32); one row per image of a template.
        pairs: left and right (templates, int32), same (bool); one row per comparison.
    """

    images: pa.Table
    pairs: pa.Table


def read_ijb(folder: str | Path) -> Ijb:
    """Read the three files of IJB-B or IJB-C from their folder (or its ``meta``).

    Raises:
        InputError: a file is missing or there are several, a row is invalid, the lists of images
            differ, or a pair has a template without images; names the file and the row.
    """
    root = Path(folder)
    root = root / "meta" if (root / "meta").is_dir() else root
    images_file, points_file, pairs_file = (
        _only(root, ending)
        for ending in ("face_tid_mid.txt", "name_5pts_score.txt", "template_pair_label.txt")
    )
    images, points = read_templates(images_file), read_landmarks(points_file)
    if len(images) != len(points):
        raise InputError(
            f"{points_file}: {len(points)} images, but {images_file.name} has {len(images)}"
        )
    row = pc.index(pc.equal(images["path"], points["path"]), False).as_py()
    if row >= 0:
        raise InputError(
            f"{points_file}: row {row + 1}: image {points['path'][row].as_py()!r}, but "
            f"{images_file.name} has {images['path'][row].as_py()!r}"
        )
    for name in (*POINTS, "score"):
        images = images.append_column(name, points[name])
    pairs = read_template_pairs(pairs_file)
    known = pc.unique(images["template"])
    for side in ("left", "right"):
        row = pc.index(pc.is_in(pairs[side], value_set=known), False).as_py()
        if row >= 0:
            template = pairs[side][row].as_py()
            raise InputError(f"{pairs_file}: row {row + 1}: template {template} has no images")
    return Ijb(images, pairs)


def read_templates(path: str | Path) -> pa.Table:
    """Read ``…_face_tid_mid.txt``: path (text), template and media (int32), per image.

    Raises:
        InputError: it cannot be read, or a row is invalid; names the row.
    """
    return pa.Table.from_batches(_batches(Path(path), _TEMPLATES))


def read_landmarks(path: str | Path) -> pa.Table:
    """Read ``…_name_5pts_score.txt``: path (text), x1, y1 … y5 and score (float32).

    Raises:
        InputError: it cannot be read, or a row is invalid or not finite; names the row.
    """
    path = Path(path)
    table = pa.Table.from_batches(_batches(path, _LANDMARKS))
    for name in (*POINTS, "score"):
        row = pc.index(pc.is_finite(table[name]), False).as_py()
        if row >= 0:
            raise InputError(f"{path}: row {row + 1}: {name} is not finite")
    return table


def read_template_pairs(path: str | Path) -> pa.Table:
    """Read ``…_template_pair_label.txt``: left and right (templates, int32), same (bool).

    Raises:
        InputError: it cannot be read, or a row is invalid; names the row.
    """
    return pa.Table.from_batches(template_pair_batches(path))


def template_pair_batches(path: str | Path) -> Iterator[pa.RecordBatch]:
    """Read the same file in batches of about a hundred thousand rows, in bounded memory.

    Raises:
        InputError: see ``read_template_pairs``.
    """
    path = Path(path)
    before = 0
    for batch in _batches(path, _PAIRS):
        label = batch["same"]
        row = pc.index(pc.is_in(label, value_set=pa.array([0, 1], pa.int8())), False).as_py()
        if row >= 0:
            raise InputError(
                f"{path}: row {before + row + 1}: label {label[row].as_py()}; expected 1 or 0"
            )
        before += len(batch)
        same = label.cast(pa.bool_())
        yield pa.RecordBatch.from_arrays(
            [batch["left"], batch["right"], same], ["left", "right", "same"]
        )


def _only(folder: Path, ending: str) -> Path:
    found = sorted(folder.glob(f"*_{ending}"))
    if len(found) != 1:
        raise InputError(f"{folder}: {len(found)} files *_{ending}; expected one")
    return found[0]


def _batches(path: Path, columns: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """The rows of a text table with single spaces between columns and no header."""
    try:
        reader = pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=list(columns), block_size=BLOCK),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=" ", quote_char=False, escape_char=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=columns, null_values=[], strings_can_be_null=False
            ),
        )
        rows = 0
        for batch in reader:
            rows += len(batch)
            yield batch
        if not rows:
            raise InputError(f"{path}: has no rows")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)})") from None
