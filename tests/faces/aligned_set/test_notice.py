"""The notice about faces that are not aligned, on real photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import MissingExtra
from likewise.faces.aligned_set.notice import _preprocessed, alignment_notice, sample_alignment
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.faces.alignment.templates import template_named
from likewise.faces.finder import FaceFinder


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likewise.faces.aligned_set.notice.SECONDS", 60.0)


def test_raw_photos_are_noticed_with_the_commands_to_use(real_faces: Path) -> None:
    manifest = read_manifest(real_faces)
    notice = alignment_notice(manifest, source="my photos/")
    assert notice is not None
    assert notice.startswith("my photos/: faces that are not aligned (32 of 32 sampled); ")
    assert "add --detect, or run: likewise data align 'my photos/' aligned/" in notice
    assert alignment_notice(manifest, source="my photos/") == notice  # the same sample again


@pytest.mark.parametrize("preprocess", [Preprocess(), Preprocess(112, 96), Preprocess(224, 224)])
def test_aligned_crops_are_not(real_faces: Path, shared_data: Path, preprocess: Preprocess) -> None:
    folder = shared_data / "lfw" / "aligned112"
    table = read_manifest(real_faces).table
    manifest = Manifest(table, folder)
    found = sample_alignment(manifest, preprocess)
    assert found.seen == 32
    assert len(found.offsets) >= 31
    assert found.far == 0
    assert alignment_notice(manifest, preprocess) is None


def test_photos_without_faces_and_drawings_are_not(real_faces: Path, shared_data: Path) -> None:
    drawings = shared_data / "omniglot" / "images_background.zip"
    if drawings.exists():
        assert alignment_notice(read_manifest(drawings)) is None


def test_a_recorded_alignment_is_believed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likewise.faces.aligned_set.notice.sample_alignment", None)
    manifest = replace(read_manifest(photos), alignment="arcface-112")
    assert alignment_notice(manifest) is None


def test_without_the_extra_nothing_is_said(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **more: object) -> None:
        raise MissingExtra("yunet", "faces")

    monkeypatch.setattr(FaceFinder, "__init__", missing)
    assert alignment_notice(read_manifest(photos)) is None


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(300, 200), (90, 250)])
def test_points_follow_the_pixels_through_the_preprocessing(
    fit: str, size: tuple[int, int]
) -> None:
    preprocess = Preprocess(96, 80, fit=fit)
    x, y = size[0] * 0.45, size[1] * 0.52
    photo = Image.new("RGB", size)
    photo.paste((255, 255, 255), (round(x) - 4, round(y) - 4, round(x) + 4, round(y) + 4))
    grey = np.asarray(preprocess.image(photo).convert("L"), float)
    if fit == "pad":
        grey[grey == 128] = 0
    rows, columns = np.indices(grey.shape)
    middle = ((columns + 0.5) * grey).sum() / grey.sum(), ((rows + 0.5) * grey).sum() / grey.sum()
    found = _preprocessed(np.full((5, 2), (round(x), round(y)), np.float32), size, preprocess)
    np.testing.assert_allclose(found[0], middle, atol=0.6)


def test_the_expected_places_are_those_of_the_template(real_faces: Path) -> None:
    settings = AlignSettings()
    photo = next(read_manifest(real_faces).photos())
    (face,) = settings.finder().find(photo)[:1]
    again = settings.finder().find(face.crop)
    template = template_named("arcface").at(112)
    eyes = np.linalg.norm(template[1] - template[0])
    assert np.linalg.norm(again[0].points - template, axis=1).mean() < 0.15 * eyes


def test_it_stops_when_the_time_is_over(real_faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sample_alignment(read_manifest(real_faces), seconds=0)
    assert found.seen == 6  # as many as a conclusion needs: also on a busy machine
    assert found.not_aligned
