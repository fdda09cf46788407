"""A run: it learns, is reproducible, and resumes exactly after a stop."""

from __future__ import annotations

import json
import logging
import multiprocessing
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import likewise
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.data.images import BadImage, ImageSource
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer
from likewise.training.validation import Validated, Validation
from tests.conftest import make_photos, quick_recipe


def checkpoint(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of the newest checkpoint, by file and name."""
    newest = Checkpoints(run / "checkpoints", Processes()).newest()
    assert newest is not None
    return {
        f"{file}:{name}": tensor
        for file in newest.files
        for name, tensor in load_file(newest.folder / file).items()
    }


def reports(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for line in lines[1:] if lines[0]["epoch"] == 0 else lines:  # the baselines come first
        for clock in ("images_per_s", "data_wait", "seconds_left"):
            line.pop(clock)
    return lines


def assert_same_run(one: Path, other: Path) -> None:
    left, right = checkpoint(one), checkpoint(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name
    assert reports(one) == reports(other)
    models = [load_file(run / "model" / "model.safetensors") for run in (one, other)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


FULL = (
    "schedule.epochs=3",
    "training.ema=0.9",
    "model.dropout=0.3",
    "data.val_identities=2",
    "augment.erase.p=0.5",
)


def test_the_files_of_a_run(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    result = likewise.train(photos, tmp_path / "run", quick_recipe(*FULL))
    assert result.finished
    assert (result.identities, result.images, result.epochs) == (4, 16, 3)
    assert result.validation is not None
    assert 0 <= result.validation <= 1
    run = tmp_path / "run"
    assert likewise.load_recipe(run / "recipe.yaml") == quick_recipe(*FULL)
    assert list((run / "tensorboard").glob("events*"))
    assert "photos of 4 identities" in (run / "train.log").read_text()
    assert [line["epoch"] for line in reports(run)] == [0, 1, 2, 3]
    assert {"baseline/pixels_auc", "baseline/pixels_auc_low"} <= set(reports(run)[0])
    names = {"train/loss", "train/accuracy", "val/auc", "val/auc_low", "val/eer", "lr"}
    assert names <= set(reports(run)[1])
    embedder = likewise.load(result.model)
    assert embedder.identities is not None
    assert len(embedder.identities) == 4
    assert embedder.operating_point is not None
    assert not [p for p in run.rglob("*") if p.name.endswith(".tmp")]


def test_it_learns_to_tell_people_apart(tmp_path: Path) -> None:
    """The made-up people are easy: unseen ones are told apart far better than before training."""
    train = make_photos(tmp_path / "photos", people=12, each=4)
    recipe = quick_recipe("schedule.epochs=12", "batch.identities=6", "data.val_identities=5")
    run = likewise.train(train, tmp_path / "run", recipe)
    lines = reports(run.folder)
    assert lines[-1]["train/loss"] < lines[1]["train/loss"]
    assert run.validation is not None
    assert run.validation > 0.9


@pytest.mark.parametrize(
    "setting",
    ["loss.name=softmax",
        "loss.name=softmax + 0.01*center", "loss.name=normalized_softmax", "loss.name=arcface",
     "optimizer.name=sgd", "schedule.name=step", "batch.sampler=plain", "training.precision=bf16",
     "data.keep_mib=0"],
)  # fmt: skip
def test_every_setting_trains(setting: str, photos: Path, tmp_path: Path) -> None:
    result = likewise.train(photos, tmp_path / "run", quick_recipe(setting, "batch.size=4"))
    assert result.finished
    assert np.isfinite(reports(result.folder)[-1]["train/loss"])


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    for name, more in (("a", ()), ("b", ("data.workers=2",)), ("c", ("data.keep_mib=0",))):
        likewise.train(photos, tmp_path / name, quick_recipe(*FULL, *more))
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert_same_run(tmp_path / "a", tmp_path / "c")
    likewise.train(photos, tmp_path / "d", quick_recipe(*FULL, "training.seed=1"))
    assert reports(tmp_path / "a") != reports(tmp_path / "d")


def test_workers_end_after_an_error(photos: Path, tmp_path: Path) -> None:
    """They ignore signals: at its exit Python would wait for them forever."""
    next(photos.rglob("*.png")).write_bytes(b"broken")
    recipe = quick_recipe("data.workers=2", "data.keep_mib=0", "data.on_bad_image=refuse")
    with pytest.raises(BadImage) as caught:
        likewise.train(photos, tmp_path / "run", recipe)
    assert caught.tb is not None  # the traceback holds on to the loader
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("stop_at", [1, 4, 5])
def test_a_stopped_run_resumes_exactly(
    stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    likewise.train(photos, tmp_path / "whole", quick_recipe(*FULL))
    steps = Trainer.step

    def step_then_stop(self: Trainer, *args: Any) -> Any:
        outcome = steps(self, *args)
        if self.step_number == stop_at:
            signal.raise_signal(signal.SIGINT)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    part = likewise.train(photos, tmp_path / "part", quick_recipe(*FULL))
    assert not part.finished
    monkeypatch.setattr(Trainer, "step", steps)
    torch.manual_seed(999)
    assert likewise.train(photos, tmp_path / "part", resume=True).finished
    assert_same_run(tmp_path / "whole", tmp_path / "part")


def test_early_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = make_photos(tmp_path / "photos", people=13, each=2)
    recipe = quick_recipe("data.val_identities=10", "schedule.epochs=30", "training.patience=2",
                          "optimizer.lr=1e-9", "model.dropout=0", "augment.flip=0")  # fmt: skip
    result = likewise.train(photos, tmp_path / "run", recipe)
    assert result.finished
    assert result.epochs < 30


def test_broken_photos_are_skipped_or_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "anna" / "0.png").write_bytes(b"junk")
    for name, keep in (("kept", "2048"), ("streamed", "0")):
        result = likewise.train(photos, tmp_path / name, quick_recipe(f"data.keep_mib={keep}"))
        assert [Path(bad.name).name for bad in result.bad_images] == ["0.png"]
        with pytest.raises(BadImage, match="0.png: not an image"):
            likewise.train(
                photos,
                tmp_path / f"{name}-refused",
                quick_recipe(f"data.keep_mib={keep}", "data.on_bad_image=refuse"),
            )


def test_the_split_column_decides(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=5)
    manifest = read_manifest(photos)
    split = ["val" if name >= "person03" else "train" for name in manifest.names]
    table = manifest.table.append_column("split", [split])
    write_table(likewise.Manifest(table, photos), photos / "m.csv")
    result = likewise.train(photos / "m.csv", tmp_path / "run", quick_recipe())
    assert result.identities == 3
    assert result.validation is not None


def test_a_run_starts_from_an_embedder(photos: Path, model: Path, tmp_path: Path) -> None:
    result = likewise.train(
        photos,
        tmp_path / "run",
        recipe_with(quick_recipe("optimizer.lr=1e-12"), [f"model.weights={model}"]),
    )
    file = photos / "anna" / "0.png"
    before, after = likewise.load(model), likewise.load(result.model)
    kernel = "body.0.weight"
    torch.testing.assert_close(
        after.module.state_dict()[kernel], before.module.state_dict()[kernel]
    )
    assert after.embed(file).shape == (1, 32)
    with pytest.raises(InputError, match="does not fit"):
        likewise.train(
            photos,
            tmp_path / "other",
            recipe_with(quick_recipe(), [f"model.weights={model}", "model.embedding_dim=16"]),
        )


def test_wrong_use(photos: Path, tmp_path: Path) -> None:
    likewise.train(photos, tmp_path / "run", quick_recipe())
    with pytest.raises(InputError, match="already holds a run"):
        likewise.train(photos, tmp_path / "run", quick_recipe())
    with pytest.raises(InputError, match="its own recipe.yaml"):
        likewise.train(photos, tmp_path / "run", Recipe(), resume=True)
    with pytest.raises(InputError, match="no run to resume"):
        likewise.train(photos, tmp_path / "none", resume=True)
    (photos / "dora").mkdir()
    (photos / "anna" / "0.png").rename(photos / "dora" / "0.png")
    with pytest.raises(InputError, match="not those that the run began with"):
        likewise.train(photos, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="fp16 needs a GPU"):
        likewise.train(photos, tmp_path / "fp16", quick_recipe("training.precision=fp16"))
    with pytest.raises(InputError, match="device: 'cuda:9'"):
        likewise.train(photos, tmp_path / "gpu", quick_recipe("training.device=cuda:9"))
    with pytest.raises(InputError, match="did you mean 'cosface'"):
        likewise.train(photos, tmp_path / "loss", quick_recipe("loss.name=cosfase"))
    one = make_photos(tmp_path / "one", ("alone",))
    with pytest.raises(InputError, match=r"only one identity \(alone\)"):
        likewise.train(one, tmp_path / "alone", quick_recipe())


def test_only_broken_photos_have_a_message_of_their_own(photos: Path, tmp_path: Path) -> None:
    for photo in photos.glob("*/*.png"):
        photo.write_text("no photo")
    with pytest.raises(
        LikewiseError, match=r"none of the \d+ photos can be read; the first: .*png"
    ):
        likewise.train(photos, tmp_path / "run", quick_recipe())


def test_a_model_without_a_checkpoint_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    run = likewise.train(photos, tmp_path / "run", quick_recipe())
    weights = (run.model / "model.safetensors").read_bytes()
    shutil.rmtree(run.folder / "checkpoints")
    with pytest.raises(InputError, match=r"a model but no checkpoint.*model\.weights=.*run/model"):
        likewise.train(make_photos(tmp_path / "others", people=5), run.folder, resume=True)
    assert (run.model / "model.safetensors").read_bytes() == weights


def test_a_better_model_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of its epoch was lost, and the repeated epoch is worse."""
    photos = make_photos(tmp_path / "photos", people=14, each=2)
    measure, auc = Validation.measure, iter([0.5, 0.9, 0.8, 0.95])

    def measured(self: Validation, *given: Any, **more: Any) -> Validated:
        found = measure(self, *given, **more)
        return replace(found, auc=AucEstimate(next(auc), np.zeros(10), 10))

    monkeypatch.setattr(Validation, "measure", measured)
    run = likewise.train(photos, tmp_path / "run", quick_recipe("data.val_identities=10"))
    weights = (run.model / "model.safetensors").read_bytes()
    shutil.rmtree(max((run.folder / "checkpoints").iterdir()))
    likewise.train(photos, run.folder, resume=True)
    assert (run.model / "model.safetensors").read_bytes() == weights
    likewise.train(photos, run.folder, resume=True, epochs=3)
    assert (run.model / "model.safetensors").read_bytes() != weights


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("model.name=mobilefacenett", "did you mean 'mobilefacenet'"),
        ("model.freeze=['bdy.*']", "model.freeze: 'bdy.\\*' matches no weight"),
        ("model.weights=nowhere", "nowhere: not found"),
        ("optimizer.lr_scale={bdy: 2}", "optimizer.lr_scale: 'bdy' matches no weight"),
        ("loss.margin=-1", "margin"),
        ("distill.teacher=nowhere", "nowhere: not found"),
        ("training.precision=fp16", "fp16 needs a GPU"),
        ("training.device=cuda:9", "device: 'cuda:9'"),
        ("data.val_identities=11", "cannot hold out 11"),
    ],
)
def test_mistakes_are_reported_before_a_photo_is_read(
    setting: str, problem: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: Preprocess, source: ImageSource) -> Any:
        raise AssertionError(f"{source} was read")

    monkeypatch.setattr(Preprocess, "pixels", read)
    with pytest.raises(InputError, match=problem):
        likewise.train(photos, tmp_path / "run", quick_recipe(setting))


def test_a_misspelt_loss_is_reported_before_photos_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    for text, problem in (
        ("loss: {name: softmax + 0.1*centre}", "did you mean 'center'"),
        ("loss: {name: cosface, margn: 0.4}", "did you mean 'margin'"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=rf"recipe\.yaml: .*{problem}"):
            likewise.load_recipe(file)


def test_identities_with_one_photo_are_trained_on(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=4)
    make_photos(tmp_path / "more", ("single",), each=1)
    (tmp_path / "more" / "single").rename(photos / "single")
    result = likewise.train(photos, tmp_path / "run", quick_recipe("data.val_identities=2"))
    assert result.identities == 3
    assert result.validation_people == 2


@pytest.mark.parametrize("people", [2, 3])
def test_a_run_without_validation_warns(
    people: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = make_photos(tmp_path / "photos", people, each=2)
    recipe = quick_recipe("data.val_identities=10%", "schedule.epochs=1")
    assert likewise.train(photos, tmp_path / "run", recipe).validation is None
    assert "nobody is held out, so nothing is validated" in caplog.text


def test_a_split_without_val_warns(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = likewise.read_manifest(photos)
    told = manifest.table.append_column("split", [["train"] * len(manifest)])
    recipe = quick_recipe("schedule.epochs=1")
    likewise.train(replace(manifest, table=told), tmp_path / "run", recipe)
    assert "no row has split = val, so nothing is validated" in caplog.text


def test_logging_is_restored(photos: Path, tmp_path: Path) -> None:
    before = list(logging.getLogger("likewise").handlers)
    likewise.train(photos, tmp_path / "run", quick_recipe())
    assert logging.getLogger("likewise").handlers == before
    with StopRequest() as stop:
        assert stop.signal is None
