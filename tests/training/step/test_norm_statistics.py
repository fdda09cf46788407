"""Running statistics are recomputed for the weights that are evaluated, and for no others."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

import likewise
from likewise.data.formats import read_manifest
from likewise.data.photos import Photos
from likewise.data.preprocess import Preprocess
from likewise.distances.resolution import mean_cosine
from likewise.training.selection.model_selection import ModelSelection
from likewise.training.step.norm_statistics import (
    NormStatistics,
    recompute_statistics,
    running_norms,
)
from likewise.training.validation import Validated
from tests.conftest import make_photos, quick_recipe

PREPROCESS = Preprocess(height=8, width=8)
PIXELS = torch.randint(0, 256, (300, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6),
    ).eval()  # fmt: skip


def names_of(module: nn.Module) -> list[str]:
    return [name for name, _ in running_norms(module)]


def test_they_are_what_torch_computes_for_averaged_weights() -> None:
    own, torchs = network(), network()
    recompute_statistics(own, names_of(own), PIXELS, PREPROCESS)
    batches = [PREPROCESS.normalise(part) for part in torch.tensor_split(PIXELS, 2)]
    update_bn(batches, torchs)
    for name, buffer in own.named_buffers():
        if "num_batches" not in name:
            assert torch.equal(buffer, torchs.get_buffer(name)), name


def test_nothing_else_moves() -> None:
    module = nn.Sequential(network(), nn.Dropout(0.5), nn.BatchNorm1d(6)).eval()
    before, draws = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    chosen = [name for name in names_of(module) if name != "2"]
    recompute_statistics(module, chosen, PIXELS, PREPROCESS)
    assert torch.equal(torch.get_rng_state(), draws)  # dropout drew nothing
    assert not any(part.training for part in module.modules())
    assert all(part.momentum == 0.1 for _, part in running_norms(module))
    changed = {n for n, t in module.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {f"{name}.running_{what}" for name in chosen for what in ("mean", "var")}


def test_one_photo_says_nothing() -> None:
    module = network()
    before = copy.deepcopy(module.state_dict())
    recompute_statistics(module, names_of(module), PIXELS[:1], PREPROCESS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_the_sample_is_the_same_whether_photos_are_kept_or_read(photos: Path) -> None:
    manifest = read_manifest(photos)
    preprocess = Preprocess(height=32, width=32)
    augment = quick_recipe().augment.batch_transform(channels=3)
    kept = torch.stack([preprocess.pixels(photo) for photo in manifest.photos()])
    draws = torch.get_rng_state()
    in_memory = NormStatistics(Photos(manifest, preprocess, augment, kept), seed=3).sample
    assert torch.equal(torch.get_rng_state(), draws)
    read = NormStatistics(Photos(manifest, preprocess, augment), seed=3).sample
    assert in_memory.shape == (12, 3, 32, 32)
    assert torch.equal(in_memory, read)
    (photos / "anna" / "0.png").write_bytes(b"junk")  # what is broken by now is left out
    assert len(NormStatistics(Photos(manifest, preprocess, augment), seed=3).sample) == 11


def test_a_network_of_few_steps_tells_photos_apart_as_it_is_saved(tmp_path: Path) -> None:
    """After two steps running averages alone give all photos nearly one embedding."""
    photos = make_photos(tmp_path / "photos", people=6)
    recipe = quick_recipe("model.name=mobilefacenet", "schedule.epochs=2", "batch.sampler=plain",
                          "batch.size=12")  # fmt: skip
    embedder = likewise.load(likewise.train(photos, tmp_path / "run", recipe).model)
    embeddings, _ = embedder.embed_manifest(read_manifest(photos))
    assert mean_cosine(embeddings.vectors) < 0.5


def test_frozen_normalisations_keep_their_statistics(tmp_path: Path, model: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    recipe = quick_recipe(f"model.weights={model}", "model.freeze=[body.*]")
    tuned = likewise.load(likewise.train(photos, tmp_path / "run", recipe).model)
    before = likewise.load(model).module.state_dict()
    after = tuned.module.state_dict()
    still = [name for name in before if name.startswith("body.") and "running" in name]
    moved = [name for name in before if not name.startswith("body.") and "running" in name]
    assert still
    assert all(torch.equal(before[name], after[name]) for name in still)
    assert all(not torch.equal(before[name], after[name]) for name in moved)


@pytest.mark.parametrize(("people", "epoch"), [(2, 4), (10, 2)])
def test_few_people_do_not_choose_the_epoch(
    people: int, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second epoch is made to look best: ten people may say so, two may not."""
    photos = make_photos(tmp_path / "photos", people=people + 3, each=2)
    measure = ModelSelection._is_kept

    def kept(self: ModelSelection, found: Validated) -> bool:
        made_up = replace(found.auc, value=1.0 if self.trainer.epoch == 2 else 0.6)
        return measure(self, replace(found, auc=made_up))

    monkeypatch.setattr(ModelSelection, "_is_kept", kept)
    recipe = quick_recipe(f"data.val_identities={people}", "schedule.epochs=4")
    result = likewise.train(photos, tmp_path / "run", recipe)
    assert likewise.load(result.model).about["Epoch"] == epoch
    told = (tmp_path / "run" / "train.log").read_text()
    assert ("too few to choose the best epoch" in told) == (people == 2)


def test_a_network_that_answers_all_photos_alike_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=5)
    monkeypatch.setattr("likewise.training.selection.model_selection.mean_cosine", lambda _: 1.0)
    with pytest.raises(likewise.LikewiseError, match="gives all photos the same embedding"):
        likewise.train(photos, tmp_path / "run", quick_recipe())
    assert not (tmp_path / "run" / "model").exists()
