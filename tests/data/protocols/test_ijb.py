"""IJB's text files against plain loops, and a list of pairs longer than a block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from likewise.data.protocols.ijb import (
    POINTS,
    read_ijb,
    read_landmarks,
    read_template_pairs,
    read_templates,
    template_pair_batches,
)
from likewise.errors import InputError
from tests.data.protocols.hostile import SEEDS, cut_short_everywhere, damaged, fuzz, survives

TEMPLATES = "1.jpg 1 69544\n2.jpg 1 69544\n3.jpg 12 7\n"
PAIRS = "1 12 0\n1 1 1\n"
LANDMARKS = "".join(
    f"{n}.jpg {' '.join(f'{n + k / 4:.4f}' for k in range(10))} 0.99{n}\n" for n in (1, 2, 3)
)


@pytest.fixture
def ijbc(tmp_path: Path) -> Path:
    meta = tmp_path / "IJBC" / "meta"
    meta.mkdir(parents=True)
    (meta / "ijbc_face_tid_mid.txt").write_text(TEMPLATES)
    (meta / "ijbc_name_5pts_score.txt").write_text(LANDMARKS)
    (meta / "ijbc_template_pair_label.txt").write_text(PAIRS)
    return tmp_path / "IJBC"


def test_templates_media_and_images(ijbc: Path) -> None:
    found = read_ijb(ijbc)
    rows = [line.split() for line in TEMPLATES.splitlines()]
    assert found.images["path"].to_pylist() == [row[0] for row in rows]
    assert found.images["template"].to_pylist() == [int(row[1]) for row in rows]
    assert found.images["media"].to_pylist() == [int(row[2]) for row in rows]
    points = [[float(v) for v in line.split()[1:]] for line in LANDMARKS.splitlines()]
    columns = np.stack([found.images[name].to_numpy() for name in (*POINTS, "score")], axis=1)
    np.testing.assert_array_equal(columns, np.array(points, np.float32))
    assert found.pairs.to_pylist() == [
        {"left": 1, "right": 12, "same": False},
        {"left": 1, "right": 1, "same": True},
    ]
    assert found.pairs.schema.types == [pa.int32(), pa.int32(), pa.bool_()]


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("face_tid_mid", TEMPLATES + "4.jpg 1 1\n", "3 images, but ijbc_face_tid_mid.txt has 4"),
        ("face_tid_mid", TEMPLATES.replace("2.jpg", "5.jpg"), "row 2: image '2.jpg', but"),
        ("face_tid_mid", "", "cannot be read"),
        ("face_tid_mid", "1.jpg 1\n", "Row #1: Expected 3 columns, got 2"),
        ("face_tid_mid", "1.jpg 1 9999999999\n", "Row #1: CSV conversion error to int32"),
        ("name_5pts_score", LANDMARKS.replace("0.992", "nan"), "row 2: score is not finite"),
        ("name_5pts_score", LANDMARKS.replace("0.992", "high"), "Row #2"),
        ("template_pair_label", "1 12 0\n1 13 0\n", "row 2: template 13 has no images"),
        ("template_pair_label", "1 12 0\n1 1 2\n", "row 2: label 2; expected 1 or 0"),
        ("template_pair_label", "1 12 0\n1 x 1\n", "Row #2"),
        ("template_pair_label", b"\xff\x00", "cannot be read"),
    ],
)
def test_bad_files(file: str, content: str | bytes, problem: str, ijbc: Path) -> None:
    path = ijbc / "meta" / f"ijbc_{file}.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=problem) as caught:
        read_ijb(ijbc)
    assert "meta/ijbc_" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_three_files_must_be_there(ijbc: Path) -> None:
    (ijbc / "meta" / "copy_face_tid_mid.txt").write_text(TEMPLATES)
    with pytest.raises(InputError, match=r"2 files \*_face_tid_mid.txt; expected one"):
        read_ijb(ijbc)
    with pytest.raises(InputError, match="0 files"):
        read_ijb(ijbc.parent)
    with pytest.raises(InputError, match="no such file"):
        read_templates(ijbc / "absent.txt")


def test_long_lists_come_in_batches(tmp_path: Path) -> None:
    """Past a block of the parser; each batch is handed on before the next is read."""
    numbers = np.random.default_rng(0).integers(0, 100_000, (350_000, 2))
    text = "".join(f"{a} {b} {a & 1}\n" for a, b in numbers.tolist())
    path = tmp_path / "x_template_pair_label.txt"
    path.write_text(text)
    batches = list(template_pair_batches(path))
    assert len(batches) > 1
    table = pa.Table.from_batches(batches)
    np.testing.assert_array_equal(table["left"].to_numpy(), numbers[:, 0])
    np.testing.assert_array_equal(table["right"].to_numpy(), numbers[:, 1])
    np.testing.assert_array_equal(table["same"].to_numpy(), numbers[:, 0] % 2 == 1)
    path.write_text(text + "1 1 3\n")
    with pytest.raises(InputError, match="row 350001: label 3"):
        read_template_pairs(path)


READERS: list[tuple[Callable[[Path], object], str]] = [
    (read_templates, TEMPLATES),
    (read_landmarks, LANDMARKS),
    (read_template_pairs, PAIRS),
]


@pytest.mark.parametrize(("read", "content"), READERS)
def test_cut_short_at_every_byte(
    read: Callable[[Path], object], content: str, tmp_path: Path
) -> None:
    cut_short_everywhere(read, tmp_path / "f.txt", content.encode())


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_files(tmp_path: Path, seed: int) -> None:
    read, content = READERS[seed % 3]
    survives(read, tmp_path / "f.txt", damaged(content.encode(), np.random.default_rng(seed)))


@pytest.mark.slow
@pytest.mark.parametrize(("read", "content"), READERS)
def test_ten_thousand_damaged_files(
    read: Callable[[Path], object], content: str, tmp_path: Path
) -> None:
    fuzz(read, tmp_path / "f.txt", content.encode(), 10_000)
