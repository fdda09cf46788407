"""Distillation: the student learns from the teacher; the teacher does not change."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.losses import ArcFace, Distillation, SupCon
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.step.teacher import Distilling
from likewise.training.trainer import Trainer
from tests.conftest import draw_person, make_photos, quick_recipe
from tests.training.test_run import assert_same_run


def teacher(folder: Path, dim: int = 24, size: int = 40, seed: int = 3) -> Path:
    """A random network that sees larger photos: only copying it makes a student like it."""
    torch.manual_seed(seed)
    backbone, preprocess = Backbone("contrastnet", dim), Preprocess(size, size)
    module = create_backbone(backbone, height=size, width=size).train()
    pixels = [preprocess.pixels(draw_person(n, take)) for n in range(8) for take in range(4)]
    for _ in range(50):  # its normalisations learn what is usual
        module(preprocess.normalise(torch.stack(pixels)))
    return Embedder(module, preprocess, backbone).save(folder)


def likeness(student: Path, teacher: Path, photos: Path) -> float:
    """How alike the two say that photos are: the correlation of their cosines over all pairs."""
    files = sorted(photos.rglob("*.png"))
    left, right = (likewise.load(m).embed(files) for m in (student, teacher))
    upper = np.triu_indices(len(files), 1)
    return float(np.corrcoef((left @ left.T)[upper], (right @ right.T)[upper])[0, 1])


@pytest.mark.parametrize(
    "kind",
    [
        "cosine",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("l2", "relational", "similarity")),
    ],
)
def test_a_student_comes_near_its_teacher(kind: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    folder = teacher(tmp_path / "teacher", dim=32 if kind in ("cosine", "l2") else 24)
    common = (
        "loss.name=0*cosface", "schedule.epochs=30", "batch.identities=8", "optimizer.lr=3e-3",
        "optimizer.weight_decay=0", "augment.color.p=0", "augment.geometry.p=0",
    )  # fmt: skip
    recipe = quick_recipe(*common, f"distill.teacher={folder}", f"distill.kind={kind}")
    alone = likewise.train(photos, tmp_path / "alone", quick_recipe(*common))
    taught = likewise.train(photos, tmp_path / "taught", recipe)
    before = likeness(alone.model, folder, photos)
    assert likeness(taught.model, folder, photos) > max(0.93, before + 0.1)
    first, *_, last = (
        json.loads(line)["train/loss"]
        for line in (tmp_path / "taught" / "log.jsonl").read_text().splitlines()
    )
    assert last < 0.7 * first


def test_the_teacher_sees_its_own_preprocessing() -> None:
    torch.manual_seed(0)
    backbone = Backbone("contrastnet", 8)
    used = Preprocess(32, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), order="bgr")
    embedder = Embedder(create_backbone(backbone, height=32, width=32), used, backbone)
    plain, distillation = SupCon(), Distillation("cosine", student_dim=8, teacher_dim=8)
    distilling = Distilling(plain, embedder, distillation, 0.5).train()
    pixels = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    taught = distilling.embed(pixels)
    unit = torch.nn.functional.normalize(taught).numpy()
    np.testing.assert_allclose(unit, embedder.embed_pixels(pixels), atol=1e-6)
    assert not taught.requires_grad
    student, labels = torch.randn(4, 8), torch.tensor([0, 0, 1, 1])
    with pytest.raises(InputError, match="the teacher has not embedded this batch"):
        distilling(student, labels)
    distilling.teach(pixels)
    expected = plain(student, labels) + 0.5 * distillation(student, taught)
    torch.testing.assert_close(distilling(student, labels), expected)
    against = {"reference": torch.randn(6, 8), "reference_labels": torch.arange(6) // 3}
    expected = plain(student, labels, **against) + 0.5 * distillation(student, taught)
    torch.testing.assert_close(distilling(student, labels, **against), expected)
    distilling.loss = ArcFace(num_classes=2, embedding_dim=8)
    with pytest.raises(InputError, match="Distilling: reference: no loss inside compares"):
        distilling(student, labels, **against)


def test_the_teacher_is_outside_of_everything(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    folder = teacher(tmp_path / "teacher")
    fingerprint = likewise.load(folder).fingerprint
    run = tmp_path / "run"
    likewise.train(photos, run, quick_recipe(f"distill.teacher={folder}"))
    saved = Checkpoints(run / "checkpoints", Processes()).newest()
    assert saved is not None
    names = [name for name in saved.shared()["loss"] if "distillation" in name]
    assert names == ["distillation.projection.weight"]
    assert saved.shared()["loss"][names[0]].shape == (24, 32)
    assert saved.values["teacher"] == fingerprint
    assert likewise.load(folder).fingerprint == fingerprint
    told = (run / "train.log").read_text()
    assert f"distils {folder} by cosine; the teacher gets the same photos at 40×40" in told


def test_a_run_with_a_teacher_continues_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    folder = teacher(tmp_path / "teacher")
    recipe = quick_recipe("data.val_identities=2", f"distill.teacher={folder}", "training.ema=0.9")
    likewise.train(photos, tmp_path / "whole", recipe)
    steps = Trainer.step

    def step_then_stop(self: Trainer, *args: Any) -> Any:
        outcome = steps(self, *args)
        if self.step_number == 3:
            signal.raise_signal(signal.SIGINT)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    assert not likewise.train(photos, tmp_path / "part", recipe).finished
    monkeypatch.setattr(Trainer, "step", steps)
    kept = folder.rename(tmp_path / "kept")
    teacher(folder, seed=4)
    with pytest.raises(InputError, match=r"distill.teacher: its fingerprint is \w+, the run began"):
        likewise.train(photos, tmp_path / "part", resume=True)
    folder.rename(tmp_path / "other")
    kept.rename(folder)
    assert likewise.train(photos, tmp_path / "part", resume=True).finished
    assert_same_run(tmp_path / "whole", tmp_path / "part")


def test_an_onnx_file_teaches(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from likewise.models.importing import import_onnx
    from tests.models.onnx.test_onnx import projection

    assert onnx
    projection(tmp_path / "p.onnx", 1)
    folder = import_onnx(tmp_path / "p.onnx", Preprocess()).save(tmp_path / "teacher")
    photos = make_photos(tmp_path / "photos")
    recipe = quick_recipe(f"distill.teacher={folder}", "distill.kind=relational")
    assert likewise.train(photos, tmp_path / "run", recipe).finished
    with pytest.raises(InputError, match="is an ONNX file, which cannot be trained"):
        likewise.train(photos, tmp_path / "no", quick_recipe(f"model.weights={folder}"))


def test_wrong_use(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    for settings, problem in (
        (["distill.teacher=nowhere"], r"^distill\.teacher: nowhere: not found"),
        (["distill.kind=cosin"], "distill.kind: input should be 'cosine'"),
        (["distill.weight=0"], "distill.weight: input should be greater than 0"),
    ):
        with pytest.raises(InputError, match=problem):
            likewise.train(photos, tmp_path / "run", quick_recipe(*settings))
