"""What users of other face libraries complain of, one test each; see docs/faces.md."""

from __future__ import annotations

import gc
import io
import pickle
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import likewise.faces.finder as finder_module
from likewise.data.images import BadImage
from likewise.faces.explain import why_no_face
from likewise.faces.finder import FaceFinder, PhotoFaces, find_faces
from likewise.faces.landmarks.turns import between
from tests.faces.conftest import Similarity

ORIENTATION = 0x0112
# What each EXIF orientation undoes: the operations that make the stored picture of an upright one.
STORED = {
    1: (), 2: ("FLIP_LEFT_RIGHT",), 3: ("ROTATE_180",), 4: ("FLIP_TOP_BOTTOM",),
    5: ("TRANSPOSE",), 6: ("ROTATE_90",), 7: ("TRANSVERSE",), 8: ("ROTATE_270",),
}  # fmt: skip


def test_a_photo_without_a_face_says_why(finder: FaceFinder, groups: Path) -> None:
    found = finder.examine(groups / "dogs.jpg")
    assert found.faces == ()
    why = why_no_face(found)
    assert why.startswith("no face; the best candidate (")
    assert "it does not look like a face, not even turned by" in why
    assert why.endswith("; try --all-scales")
    assert why_no_face(found, all_scales=True) == why.removesuffix("; try --all-scales")


def test_a_drawing_and_noise_have_no_face(finder: FaceFinder) -> None:
    drawing = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(drawing).ellipse((60, 60, 240, 240), outline="black", width=4)
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    for photo in (drawing, noise, Image.new("L", (300, 200), 128)):
        assert finder.find(photo) == []
    assert "nor anything like one" in why_no_face(PhotoFaces((), (), (300, 300)))


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientations_give_the_same_crop(
    finder: FaceFinder, raw: list[Path], orientation: int
) -> None:
    photo = Image.open(raw[3]).convert("RGB")
    stored = photo
    for operation in STORED[orientation]:
        stored = stored.transpose(Image.Transpose[operation])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = io.BytesIO()
    stored.save(file, "PNG", exif=exif)
    upright, found = finder.find(photo), finder.find(file.getvalue())
    assert len(found) == len(upright) > 0
    for one, other in zip(upright, found, strict=True):
        assert one.box == other.box
        np.testing.assert_array_equal(one.crop, other.crop)


@pytest.mark.parametrize("degrees", [30, 45, 60, 90, 180])
def test_turned_photos_keep_the_identity(
    finder: FaceFinder, raw: list[Path], similarity: Similarity, degrees: int
) -> None:
    """No EXIF here: the points of a detector alone give a median cosine of .41 at 30 degrees."""
    cosines = []
    for path in raw[:: 15 if degrees < 90 else 9]:
        photo = Image.open(path).convert("RGB")
        turned = photo.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
        centre = np.array(turned.size) / 2
        faces = finder.find(turned)
        assert faces, path
        face = min(faces, key=lambda one: np.abs(one.points.mean(0) - centre).max())
        assert between(face.turn, degrees) < 25
        cosines.append(similarity(face.crop, path))
    assert min(cosines) > 0.88


def test_close_ups_are_found(finder: FaceFinder, raw: list[Path]) -> None:
    for path in raw[::20]:
        photo = Image.open(path).convert("RGB")
        x, y, width, height = finder.find(photo)[0].box
        close = photo.crop((int(x), int(y), int(x + width), int(y + height)))
        for side in (120, 1400):
            (face,) = finder.find(close.resize((side * close.width // close.height, side)))
            assert max(face.box[2:]) > 0.7 * side


def test_large_photos_are_looked_at_small_and_cut_at_full_size(
    finder: FaceFinder, raw: list[Path]
) -> None:
    photo = Image.open(raw[0]).convert("RGB")
    large = photo.resize((3000, 3000), Image.Resampling.BICUBIC)
    small, big = finder.find(photo)[0], finder.find(large)[0]
    np.testing.assert_allclose(np.array(big.box) / 12, small.box, rtol=0.15, atol=3)
    assert big.eye_distance == pytest.approx(12 * small.eye_distance, rel=0.1)


def test_the_order_of_the_points_does_not_depend_on_turn_or_mirror(
    finder: FaceFinder, raw: list[Path]
) -> None:
    for path in raw[1::20]:
        photo = Image.open(path).convert("RGB")
        mirrored = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for picture in (photo, mirrored, photo.rotate(-70, expand=True)):
            face = finder.find(picture)[0]
            angle = np.deg2rad(-face.turn)
            turn_back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            left, right, nose, mouth_left, mouth_right = face.points @ turn_back.T
            assert left[0] < nose[0] + 1 < right[0] + 1
            assert mouth_left[0] < mouth_right[0]
            assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_false_faces_are_kept_out_and_true_ones_kept(finder: FaceFinder, groups: Path) -> None:
    assert finder.find(groups / "dogs.jpg") == []
    assert len(finder.find(groups / "2007_007763.jpg")) == 7
    assert len(finder.find(groups / "bald_guys.jpg")) == 24


def test_memory_does_not_grow_in_a_loop(finder: FaceFinder, raw: list[Path]) -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc here")

    def resident() -> int:
        gc.collect()
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    photo = Image.open(raw[0]).convert("RGB")
    sizes = [(60 + number % 23 * 6, 60 + number % 19 * 6) for number in range(300)]
    small = [photo.resize(size) for size in sizes]
    for one in small[:100]:
        finder.find(one)
    before = resident()
    for one in small[100:]:
        finder.find(one)
    assert resident() - before < 20_000  # KiB


def test_a_broken_photo_does_not_end_a_batch(
    finder: FaceFinder, raw: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(raw[1].read_bytes()[:900])
    thin = Image.new("RGB", (1, 900))
    results = list(finder.find_many([raw[0], broken, tmp_path / "gone.jpg", thin, raw[2]]))
    assert [isinstance(one, BadImage) for one in results] == [False, True, True, True, False]
    assert [len(one) for one in (results[0], results[4])] == [
        len(finder.find(raw[0])), len(finder.find(raw[2])),
    ]  # fmt: skip


def _boxes(finder: FaceFinder, path: Path) -> list[tuple[float, ...]]:
    import torch

    torch.set_num_threads(1)
    return [face.box for face in finder.find(path)]


@pytest.mark.slow
def test_it_works_in_several_processes(finder: FaceFinder, raw: list[Path]) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = list(pool.map(_boxes, repeat(finder), raw[:4]))
    assert found == [_boxes(finder, path) for path in raw[:4]]


def test_it_can_be_pickled_by_its_settings(finder: FaceFinder, raw: list[Path]) -> None:
    copy = pickle.loads(pickle.dumps(FaceFinder(size=64, scales=[320])))
    assert (copy.size, copy.scales) == (64, (320,))
    assert copy.find(raw[0])[0].crop.shape == (64, 64, 3)
    assert len(pickle.dumps(finder)) < 5_000


def test_kinds_of_pixels_give_the_same_face(finder: FaceFinder, raw: list[Path]) -> None:
    photo = Image.open(raw[0]).convert("RGB")
    expected = finder.find(photo)[0]
    grey = np.asarray(photo.convert("L"))
    kinds = {
        "RGBA": photo.convert("RGBA"),
        "CMYK": photo.convert("CMYK"),
        "palette": photo.quantize(256),
        "grey": photo.convert("L"),
        "16 bits": Image.fromarray(grey.astype(np.uint16) * 257),
    }
    animation = io.BytesIO()
    photo.save(animation, "GIF", save_all=True, append_images=[Image.new("RGB", photo.size)])
    for name, picture in (*kinds.items(), ("animation", animation.getvalue())):
        face = finder.find(picture)[0]
        np.testing.assert_allclose(face.box, expected.box, atol=8, err_msg=name)
        np.testing.assert_allclose(face.points, expected.points, atol=5, err_msg=name)


def test_one_line_finds_faces(finder: FaceFinder, raw: list[Path]) -> None:
    (one, *_), (other, *_) = find_faces(raw[0], scales=[250]), finder.find(raw[0])
    np.testing.assert_allclose(one.box, other.box, atol=6)
    finder_module._finder.cache_clear()
