from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from likewise.data.images import BadImage, ImageSource
from likewise.errors import InputError
from likewise.faces.finder import PhotoFaces
from likewise.recognition.poor import LEAST_QUALITY, why_poor
from likewise.recognition.recognizer import RecognizedFace, Recognizer
from likewise.recognition.verification import verify


def pair(raw: Path, who: int = 0) -> tuple[Path, Path]:
    one, other, *_ = sorted(sorted(raw.iterdir())[who].iterdir())
    return one, other


def stranger(raw: Path) -> Path:
    return min(sorted(raw.iterdir())[20].iterdir())


@pytest.fixture
def poor(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The sizes of photos whose faces are said to be poor."""
    sizes: set[int] = set()
    examine = recognizer.examine

    def judged(photo: ImageSource) -> PhotoFaces:
        found = examine(photo)
        reasons = ("blurred",) if found.size[0] in sizes else ()
        return replace(found, faces=tuple(replace(f, reasons=reasons) for f in found.faces))

    monkeypatch.setattr(recognizer, "examine", judged)
    return sizes


def resized(photo: Path, side: int) -> Image.Image:
    return Image.open(photo).convert("RGB").resize((side, side))


def test_same_and_different_with_score_probability_and_rates(
    recognizer: Recognizer, raw: Path
) -> None:
    one, other = pair(raw)
    same = verify(one, other, recognizer)
    assert same.same is True
    assert same.score is not None
    assert same.score > 0.5
    assert same.threshold == recognizer.embedder.operating_points[1].threshold
    assert same.point is not None
    assert same.probability is not None
    assert same.probability > 0.9
    assert [photo.name for photo in same.photos] == [str(one), str(other)]
    different = verify(one, stranger(raw), recognizer)
    assert different.same is False
    assert different.reasons == ()
    rare = verify(one, other, recognizer, prior=1e-6)
    assert rare.probability is not None
    assert rare.probability < same.probability


def test_the_score_is_the_cosine_of_the_embeddings_of_the_crops(
    recognizer: Recognizer, raw: Path
) -> None:
    one, other = pair(raw, 3)
    answer = verify(one, other, recognizer)
    crops = [photo.chosen.face.crop for photo in answer.photos if photo.chosen]
    vectors = recognizer.embedder.embed(crops)
    assert answer.score == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)


def test_a_threshold_or_a_rate_decides(recognizer: Recognizer, raw: Path) -> None:
    one, other = pair(raw)
    given = verify(one, other, recognizer, threshold=0.99)
    assert (given.same, given.threshold, given.point) == (False, 0.99, None)
    assert verify(one, other, recognizer, fmr=1e-4).threshold == 0.405
    for arguments, message in (
        ({"threshold": 0.5, "fmr": 1e-3}, "give one of the two"),
        ({"threshold": 3.0}, "threshold: 3.0"),
        ({"prior": 1.0}, "prior: 1.0"),
        ({"face": "nicest"}, "unknown value 'nicest'"),
        ({"fmr": 0.3}, "was not measured"),
    ):
        with pytest.raises(InputError, match=message):
            verify(one, other, recognizer, **arguments)  # type: ignore[arg-type]  # the mistakes under test


def test_a_poor_face_that_matches_is_a_match(
    recognizer: Recognizer, raw: Path, poor: set[int]
) -> None:
    one, other = pair(raw)
    poor.add(260)
    answer = verify(one, resized(other, 260), recognizer)
    assert answer.same is True
    assert answer.notes == ("b: blurred; the match counts nevertheless",)


def test_a_poor_face_that_does_not_match_decides_nothing(
    recognizer: Recognizer, raw: Path, poor: set[int]
) -> None:
    poor.add(260)
    answer = verify(pair(raw)[0], resized(stranger(raw), 260), recognizer)
    assert answer.same is None
    assert answer.reasons == ("b: blurred", "a better photo may match")


def test_two_poor_faces_decide_nothing(recognizer: Recognizer, raw: Path, poor: set[int]) -> None:
    one, other = pair(raw)
    poor.update((250, 260))
    answer = verify(one, resized(other, 260), recognizer)
    assert answer.same is None
    assert answer.score is not None
    assert answer.reasons[-1] == "two poor faces look alike, whoever they show"


def test_why_two_poor_faces_decide_nothing(recognizer: Recognizer, aligned: Path) -> None:
    """Strangers, blurred: alone they match nobody, among themselves they match half of all."""
    people = sorted(aligned.iterdir())[:60]
    crops = [Image.open(min(person.iterdir())).convert("RGB") for person in people]
    clear = recognizer.embedder.embed(crops)
    blurred = recognizer.embedder.embed(
        [crop.filter(ImageFilter.GaussianBlur(4)) for crop in crops]
    )
    strangers = ~np.eye(len(people), dtype=bool)
    threshold = recognizer.embedder.operating_points[1].threshold
    assert ((clear @ blurred.T)[strangers] >= threshold).mean() < 0.002
    assert ((blurred @ blurred.T)[strangers] >= threshold).mean() > 0.3


def test_no_face_is_named_with_its_photo(recognizer: Recognizer, raw: Path) -> None:
    wall = np.full((200, 300, 3), 120, np.uint8)
    answer = verify(pair(raw)[0], wall, recognizer)
    assert (answer.same, answer.score, answer.probability) == (None, None, None)
    assert answer.reasons[0].startswith("b: no face")
    both = verify(wall, wall, recognizer)
    assert [reason[:10] for reason in both.reasons] == ["a: no face", "b: no face"]


def test_which_of_several_faces_is_asked_or_chosen(
    recognizer: Recognizer, raw: Path, groups: Path
) -> None:
    one, other = pair(raw)
    wide = Image.new("RGB", (750, 250))
    for place, photo in enumerate((stranger(raw), min(sorted(raw.iterdir())[21].iterdir()), other)):
        wide.paste(Image.open(photo), (250 * place, 0))
    unsure = verify(one, wide, recognizer)
    assert unsure.same is None
    assert "not clear which is meant" in unsure.reasons[0]
    assert len(unsure.photos[1].faces) >= 3
    best = verify(one, wide, recognizer, face="best")
    assert best.same is True
    assert any("pairs of faces" in note for note in best.notes)
    assert best.score == max(
        float(x.vector @ y.vector) for x in best.photos[0].faces for y in best.photos[1].faces
    )
    assert verify(one, wide, recognizer, face="central").same is False
    assert verify(one, groups / "2008_001322.jpg", recognizer, face="largest").same is not True


def test_quality_below_the_reference_is_poor(recognizer: Recognizer, raw: Path) -> None:
    face = recognizer.faces_of(pair(raw)[0])[0]
    plain = replace(face.face, reasons=())
    assert why_poor(RecognizedFace(plain, face.vector, 20.0, 0.5)) == ()
    (reason,) = why_poor(RecognizedFace(plain, face.vector, 9.0, LEAST_QUALITY / 2))
    assert reason.startswith("unclear: 99% of the photos")


def test_a_broken_photo_is_an_error_that_names_it(recognizer: Recognizer, raw: Path) -> None:
    with pytest.raises(BadImage, match="image in memory"):
        verify(pair(raw)[0], b"no photo", recognizer)


def test_sface_is_the_default(raw: Path) -> None:
    pytest.importorskip("onnx")
    from likewise.models.zoo.weights import find_weights

    if find_weights("sface") is None or find_weights("yunet") is None:
        pytest.skip("the extra faces is not installed")
    one, other = pair(raw)
    answer = verify(one, other)
    assert answer.same is True
    assert verify(one, stranger(raw)).same is False


def test_a_model_of_objects_compares_the_photos_as_they_are(
    recognizer: Recognizer, raw: Path
) -> None:
    """As the command does; no face is looked for."""
    embedder = copy(recognizer.embedder)
    embedder.preprocess = replace(embedder.preprocess, alignment=None)
    photos = pair(raw)
    vectors = embedder.embed(photos)
    answer = verify(*photos, embedder)
    assert answer.score == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    assert (answer.of_faces, answer.photos[0].faces, answer.reasons) == (False, (), ())
    assert verify(*photos, embedder, detect=True).of_faces
    with pytest.raises(InputError, match="face: no faces are looked for"):
        verify(*photos, embedder, face="best")
    other = verify(*photos, embedder, distance="euclidean")
    assert other.score == pytest.approx(-float(np.linalg.norm(vectors[0] - vectors[1])), abs=1e-4)
    assert (other.same, other.probability, len(other.reasons)) == (None, None, 1)
    with pytest.raises(InputError, match="faces are compared by the cosine"):
        verify(*photos, recognizer, distance="euclidean")


def test_a_model_without_measured_thresholds_gives_a_score_alone(
    recognizer: Recognizer, raw: Path
) -> None:
    embedder = copy(recognizer.embedder)
    embedder.operating_point, embedder.operating_points, embedder.calibration = None, (), None
    for model in (embedder, Recognizer(embedder, recognizer.finder)):
        answer = verify(*pair(raw), model)
        assert (answer.same, answer.probability) == (None, None)
        assert answer.reasons == ("the model has no measured threshold; give one with --threshold",)


def test_a_model_of_objects_is_warned_of_where_faces_are_looked_for(
    recognizer: Recognizer, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = copy(recognizer.embedder)
    embedder.preprocess = replace(embedder.preprocess, alignment=None)
    Recognizer(recognizer.embedder)
    assert not caplog.records
    Recognizer(embedder)
    assert "other objects" in caplog.text
