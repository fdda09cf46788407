"""Distillation on photos without identities, and the teacher's embeddings computed once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import likewise
from likewise.data.formats import read_manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.losses import Distillation, SupCon
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.recipe import Recipe
from likewise.training.selection.teacher_selection import agreement
from likewise.training.setup.taught_photos import TAUGHT, embed_both_sides
from likewise.training.setup.unlabelled import hold_out_photos, read_training_photos
from likewise.training.step.teacher import Distilling
from tests.conftest import make_photos, quick_recipe
from tests.training.step.test_teacher import likeness, teacher


def flat(folder: Path, people: int = 8) -> Path:
    """Photos directly in one folder."""
    folder.mkdir(parents=True)
    for photo in make_photos(folder.parent / "labelled", people=people).rglob("*.png"):
        shutil.copy(photo, folder / f"{photo.parent.name}-{photo.name}")
    return folder


def alone(source: Path, *settings: str) -> Recipe:
    return quick_recipe(
        "loss.name=0*softmax", "batch.sampler=plain", "batch.size=8", "optimizer.lr=3e-3",
        "optimizer.weight_decay=0", "augment.color.p=0", "augment.geometry.p=0",
        "data.val_identities=25%", f"distill.teacher={source}", "distill.weight=5", *settings,
    )  # fmt: skip


@pytest.mark.parametrize("cache", [False, True])
def test_a_student_learns_from_photos_without_identities(cache: bool, tmp_path: Path) -> None:
    photos, source = flat(tmp_path / "photos"), teacher(tmp_path / "teacher", dim=32)
    recipe = alone(source, "schedule.epochs=12", "augment.flip=0", f"distill.cache={cache}")
    result = likewise.train(photos, tmp_path / "run", recipe)
    assert result.measure == "cosine to the teacher"
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").open()]
    assert result.validation == max(epoch["val/teacher"] for epoch in log)
    assert result.validation > log[0]["val/teacher"] + 0.05
    assert likeness(result.model, source, photos) > 0.5
    assert likewise.load(result.model).identities is None
    assert (tmp_path / "run" / TAUGHT).exists() == cache


def test_photos_without_identities_need_a_teacher(tmp_path: Path) -> None:
    photos = flat(tmp_path / "photos")
    with pytest.raises(InputError, match="the photos lie directly in it"):
        likewise.train(photos, tmp_path / "run", quick_recipe())


def test_labels_that_are_there_are_kept(tmp_path: Path) -> None:
    source, photos = teacher(tmp_path / "teacher"), make_photos(tmp_path / "photos", people=4)
    found = read_training_photos(photos, recipe=alone(source))
    assert found.identities == read_manifest(photos).identities


def test_the_held_out_photos_are_disjoint_and_of_the_share_asked(tmp_path: Path) -> None:
    source = teacher(tmp_path / "teacher")
    found = read_training_photos(flat(tmp_path / "photos"), recipe=alone(source))
    training, held = hold_out_photos(found, "25%", seed=0)
    names = [part.table["path"].to_pylist() for part in (training, held)]
    assert len(names[1]) == len(found) // 4
    assert sorted(names[0] + names[1]) == sorted(found.table["path"].to_pylist())
    with pytest.raises(InputError, match="2 must remain"):
        hold_out_photos(found, len(found), seed=0)


def test_a_resumed_run_reads_the_embeddings_of_the_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, source = flat(tmp_path / "photos"), teacher(tmp_path / "teacher")
    recipe = alone(source, "distill.cache=true", "data.val_identities=0", "schedule.epochs=1")
    likewise.train(photos, tmp_path / "run", recipe)

    def refuse(*_: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr("likewise.training.setup.taught_photos.embed_both_sides", refuse)
    assert likewise.train(photos, tmp_path / "run", resume=True, epochs=2).epochs == 2


def test_both_sides_are_the_mean_of_a_photo_and_its_mirror_image(tmp_path: Path) -> None:
    source = likewise.load(teacher(tmp_path / "teacher"))
    photos = read_manifest(make_photos(tmp_path / "photos", people=2))
    pixels = torch.stack([source.preprocess.pixels(photo) for photo in photos.photos()])
    with torch.no_grad():
        straight, mirrored = (
            source.module(source.preprocess.normalise(side)) for side in (pixels, pixels.flip(3))
        )
    torch.testing.assert_close(embed_both_sides(source, photos), (straight + mirrored) / 2)


def test_remembered_embeddings_are_taught_by_row() -> None:
    backbone = Backbone("contrastnet", 8)
    embedder = Embedder(create_backbone(backbone, height=32, width=32), Preprocess(32, 32))
    distilling = Distilling(
        SupCon(), embedder, Distillation("cosine", student_dim=8, teacher_dim=8)
    )
    known = torch.randn(5, 8)
    distilling.remember(known)
    distilling.rows = [3, 1]
    distilling.teach(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    student = torch.randn(2, 8)
    expected = (1 - F.cosine_similarity(student, known[[3, 1]])).mean()
    torch.testing.assert_close(distilling.distillation(student, distilling._taught), expected)


def test_agreement_is_the_cosine_or_the_correlation_of_cosines() -> None:
    embedder = Embedder(create_backbone(Backbone("contrastnet", 8), height=32, width=32),
                        Preprocess(32, 32))  # fmt: skip
    student, taught = torch.randn(6, 4), torch.randn(6, 8)
    projected = Distilling(SupCon(), embedder, Distillation("l2", student_dim=4, teacher_dim=8))
    assert projected.distillation.projection is not None
    moved = student @ projected.distillation.projection.weight.detach().T
    pairs = zip(moved, taught, strict=True)
    mean = np.mean([float(F.cosine_similarity(a, b, dim=0)) for a, b in pairs])
    assert agreement(student, taught, projected) == pytest.approx(mean, abs=1e-6)
    related = Distilling(
        SupCon(), embedder, Distillation("relational", student_dim=4, teacher_dim=8)
    )
    cosines = [
        [float(F.cosine_similarity(x[i], x[j], dim=0)) for i in range(6) for j in range(i)]
        for x in (student, taught)
    ]
    assert agreement(student, taught, related) == pytest.approx(
        np.corrcoef(np.array(cosines))[0, 1], abs=1e-5
    )
