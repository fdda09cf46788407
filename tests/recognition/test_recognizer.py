from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.data.images import BadImage
from likewise.recognition.aligned_photo import face_of_aligned
from likewise.recognition.recognizer import Recognizer


def some(raw: Path, count: int) -> list[Path]:
    return sorted(raw.rglob("*.jpg"))[:count]


def test_embeddings_are_those_of_the_given_crops(
    recognizer: Recognizer, raw: Path, aligned: Path
) -> None:
    """The model itself on the crops of LFW is the independent side."""
    photos = some(raw, 12)
    given = recognizer.embedder.embed(
        [aligned / photo.parent.name / photo.name for photo in photos]
    )
    cosines = []
    for photo, vector in zip(photos, given, strict=True):
        faces = recognizer.faces_of(photo)
        cosines.append(max(float(face.vector @ vector) for face in faces))
    assert np.median(cosines) > 0.97
    assert min(cosines) > 0.85


def test_many_photos_give_what_single_ones_give(
    recognizer: Recognizer, raw: Path, groups: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    photos = [*some(raw, 2), broken, groups / "dogs.jpg", groups / "2008_001322.jpg"]
    found = list(recognizer.faces_of_many(photos))
    assert isinstance(found[2], BadImage)
    assert found[2].name == str(broken)
    for photo, faces in zip(photos, found, strict=True):
        if photo == broken:
            continue
        assert not isinstance(faces, BadImage)
        alone = recognizer.faces_of(photo)
        assert [face.face.box for face in faces] == [face.face.box for face in alone]
        for one, other in zip(faces, alone, strict=True):
            np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
            assert one.norm == pytest.approx(other.norm, rel=1e-4)
    assert len(found[4]) > 1  # type: ignore[arg-type]  # no BadImage


def test_vector_and_norm_are_direction_and_length_of_the_raw_embedding(
    recognizer: Recognizer, raw: Path
) -> None:
    (face,) = recognizer.faces_of(some(raw, 1)[0])[:1]
    expected = recognizer.embedder.embed([face.face.crop], normalize=False)[0]
    np.testing.assert_allclose(face.vector * face.norm, expected, rtol=1e-4, atol=1e-4)
    assert np.linalg.norm(face.vector) == pytest.approx(1, abs=1e-5)


def test_flip_adds_the_mirrored_crop(recognizer: Recognizer, raw: Path) -> None:
    both = Recognizer(recognizer.embedder, recognizer.finder, flip=True)
    (face,) = both.faces_of(some(raw, 1)[0])[:1]
    crop = face.face.crop
    pair = recognizer.embedder.embed([crop, np.ascontiguousarray(crop[:, ::-1])], normalize=False)
    assert face.norm == pytest.approx(float(np.linalg.norm(pair.mean(0))), rel=1e-3)
    assert float(face.vector @ pair.sum(0)) / np.linalg.norm(pair.sum(0)) == pytest.approx(1)
    assert both.settings != recognizer.settings


def test_what_is_no_face_is_not_embedded(recognizer: Recognizer) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    flat = np.full((112, 112, 3), 127, np.uint8)
    assert recognizer.faces_of(noise) == recognizer.faces_of(flat) == recognizer.embed([]) == []


def test_aligned_crops_are_taken_as_they_are(
    recognizer: Recognizer, raw: Path, aligned: Path
) -> None:
    crops = [aligned / photo.parent.name / photo.name for photo in some(raw, 10)]
    as_it_is = 0
    for crop in crops:
        (face,) = recognizer.faces_of(crop)
        as_it_is += int(np.array_equal(face.face.crop, np.asarray(Image.open(crop))))
        assert float(face.vector @ recognizer.embedder.embed([crop])[0]) > 0.9
    assert as_it_is >= 9
    turned = Image.open(crops[0]).rotate(40)
    assert face_of_aligned(turned, recognizer.finder) is None
    assert face_of_aligned(Image.open(some(raw, 1)[0]), recognizer.finder) is None
