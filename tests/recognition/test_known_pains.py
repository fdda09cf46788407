"""What users of other programs report again and again, one test for each kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.recognition.folder_gallery.folder_gallery import FolderGallery
from likewise.recognition.galleries import open_gallery
from likewise.recognition.identification import identify
from likewise.recognition.recognizer import Recognizer
from likewise.recognition.verification import verify


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def people(raw: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for person in sorted(raw.iterdir())[:4]:
        shutil.copytree(person, folder / person.name)
    return folder


def photos_of(raw: Path, who: int) -> list[Path]:
    return sorted(sorted(raw.iterdir())[who].iterdir())


def side_by_side(photos: list[Path]) -> Image.Image:
    wide = Image.new("RGB", (250 * len(photos), 250))
    for place, photo in enumerate(photos):
        wide.paste(Image.open(photo), (250 * place, 0))
    return wide


def test_a_photo_without_a_face_gives_a_reason_and_never_ends_a_batch(
    recognizer: Recognizer, raw: Path, people: Path, tmp_path: Path
) -> None:
    """deepface 725, 1098, 1056; face_recognition 426, 1334: an exception that names no photo."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photos_of(raw, 0)[0].read_bytes()[:900])
    wall = tmp_path / "wall.png"
    Image.new("RGB", (300, 200), (200, 210, 190)).save(wall)
    photos = [broken, wall, tmp_path / "gone.jpg", photos_of(raw, 0)[0]]
    found = identify(photos, people, recognizer)
    assert [photo.name for photo in found] == [str(photo) for photo in photos]
    assert found[0].problem.startswith("cannot be decoded")
    assert (found[1].problem, found[1].faces) == ("", ())
    assert found[2].problem == "no such file"
    assert found[3].names == [photos_of(raw, 0)[0].parent.name]
    (reason,) = verify(photos[3], wall, recognizer).reasons
    assert reason.startswith(f"{wall}: no face")
    assert found[1].no_face.startswith("no face")


def test_what_is_no_face_never_verifies(recognizer: Recognizer) -> None:
    """deepface 876, 1342, 1425: without a face, the whole photos were compared and matched."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (240, 240, 3), dtype=np.uint8)
    answer = verify(noise, noise, recognizer)  # even a photo with itself
    assert (answer.same, answer.score, answer.probability) == (None, None, None)
    assert len(answer.reasons) == 2


def test_the_threshold_comes_from_a_false_match_rate_and_the_score_has_a_probability(
    recognizer: Recognizer, raw: Path
) -> None:
    """deepface 402, 828, 556; face_recognition 758, 1165: which threshold, and how sure is it?"""
    one, other, _ = photos_of(raw, 1)
    rates = [point.fmr for point in recognizer.embedder.operating_points]
    answers = [verify(one, other, recognizer, fmr=rate) for rate in rates]
    limits = [answer.threshold for answer in answers]
    assert limits == sorted(limits)  # type: ignore[type-var]  # all have one
    assert all(answer.point is not None and answer.point.impostor for answer in answers)
    different = verify(one, photos_of(raw, 6)[0], recognizer)
    assert different.probability is not None
    assert different.probability < 0.1 < 0.9 < answers[0].probability  # type: ignore[operator]  # not None


def test_a_gallery_file_follows_additions_and_removals_and_names_its_model(
    recognizer: Recognizer, raw: Path, people: Path, own_cache: Path
) -> None:
    """deepface 942, 516, 1160, 1233: a pickle that goes stale, or is of another model."""
    third = photos_of(raw, 2)[2]
    (people / third.parent.name / third.name).unlink()
    assert identify(third, people, recognizer)[0].names == [third.parent.name]
    shutil.rmtree(people / third.parent.name)
    assert identify(third, people, recognizer)[0].names == []
    assert third.parent.name.encode() not in b"".join(
        path.read_bytes() for path in own_cache.rglob("*.jsonl")
    )
    shutil.copytree(third.parent, people / "someone", copy_function=shutil.copy)
    assert identify(third, people, recognizer)[0].names == ["someone"]
    # The embeddings alone are enough: no photo of the gallery is needed to ask it.
    known = FolderGallery(people, recognizer)
    known.update()
    shutil.rmtree(people)
    vector = recognizer.faces_of(third)[0].vector
    assert known.gallery().identify(vector[None])[0].name == "someone"


def test_embeddings_of_another_model_are_refused(
    recognizer: Recognizer, tmp_path: Path, model: Path
) -> None:
    import likewise

    other: Embedder = likewise.load(model)
    file = tmp_path / "e.parquet"
    vectors = np.eye(3, 128, dtype=np.float32)
    import pyarrow as pa

    items = pa.table({"path": list("abc"), "identity": list("abc")})
    likewise.write_embeddings(likewise.Embeddings(vectors, items, other.fingerprint), file)
    with pytest.raises(InputError, match="another embedder"):
        open_gallery(file, recognizer)


def test_in_a_group_photo_every_face_is_listed_and_nobody_named_twice(
    recognizer: Recognizer, raw: Path, people: Path
) -> None:
    """deepface 53, 529; face_recognition 385: only the first face counts, or one name on many."""
    one, two, _ = photos_of(raw, 0)
    stranger = photos_of(raw, 30)[0]
    group = side_by_side([one, photos_of(raw, 1)[0], stranger, two])
    (photo,) = identify([group], people, recognizer)
    assert len(photo.faces) >= 4
    assert photo.names.count(one.parent.name) == 1
    assert photos_of(raw, 1)[0].parent.name in photo.names
    middles = [face.face.face.box[0] + face.face.face.box[2] / 2 for face in photo.faces]
    there = [f for f, x in zip(photo.faces, middles, strict=True) if 500 < x < 750]
    assert there[0].answer.name is None
    twin = [face for face in photo.faces if "another face of this photo" in face.answer.note]
    assert len(twin) == 1
