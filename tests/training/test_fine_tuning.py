"""Fine-tuning: initial weights, freezing, layer-wise learning rates, and resuming."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import likewise
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.name_patterns import matching
from likewise.training.recipe.recipe import Optimizer, Recipe, recipe_with
from likewise.training.setup.build import network_of, preprocess_of
from likewise.training.setup.initial_weights import read_initial_weights
from likewise.training.step.freezing import Freezing
from likewise.training.step.optimizer import build_optimizer, layer_rates
from likewise.training.trainer import Trainer
from tests.conftest import make_photos, quick_recipe
from tests.training.test_run import assert_same_run

State = dict[str, torch.Tensor]


def trained(source: Path, photos: Path, out: Path, *settings: str) -> tuple[State, State]:
    """The initial and the final weights of a run."""
    recipe = quick_recipe(f"model.weights={source}", "optimizer.lr=1e-2", *settings)
    result = likewise.train(photos, out, recipe)
    return likewise.load(source).module.state_dict(), likewise.load(
        result.model
    ).module.state_dict()


def changed(before: State, after: State) -> set[str]:
    return {name for name in after if not torch.equal(before[name], after[name])}


def iresnet_pth(path: Path, dim: int = 16, size: int = 32) -> State:
    """A file as InsightFace writes it, for a small input."""
    torch.manual_seed(5)
    module = create_backbone(Backbone("iresnet18", dim), height=size, width=size)
    torch.save({f"module.{name}": t for name, t in module.state_dict().items()}, path)
    return module.state_dict()


def iresnet(path: Path, *settings: str) -> Recipe:
    return quick_recipe(
        "model.name=iresnet18", "model.embedding_dim=16", f"model.weights={path}", *settings
    )


def test_frozen_weights_and_statistics_do_not_change(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    before, after = trained(model, photos, tmp_path / "run", 'model.freeze=["body.[0-3].*"]')
    moved = changed(before, after)
    assert {name for name in moved if name.startswith(("body.0", "body.1", "body.3"))} == set()
    assert {"body.4.running_mean", "body.4.weight", "body.7.weight", "fc.weight"} <= moved


def test_frozen_weights_are_trained_after_unfreeze_epoch(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    frozen = ('model.freeze=["body.*"]', "model.unfreeze_epoch=2")
    before, after = trained(model, photos, tmp_path / "two", *frozen, "schedule.epochs=2")
    assert not {name for name in changed(before, after) if name.startswith("body")}
    before, after = trained(model, photos, tmp_path / "three", *frozen, "schedule.epochs=3")
    assert {"body.0.weight", "body.1.running_mean"} <= changed(before, after)


@pytest.mark.parametrize("stop_at", [1, 3, 4, 5])
def test_a_run_that_unfreezes_resumes_exactly(
    stop_at: int, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    recipe = quick_recipe(
        f"model.weights={model}", 'model.freeze=["body.*"]', "model.unfreeze_epoch=1",
        "schedule.epochs=3", "data.val_identities=2", "training.ema=0.9",
        "optimizer.layer_decay=0.5", "optimizer.lr_scale={fc.*: 3}",
    )  # fmt: skip
    likewise.train(photos, tmp_path / "whole", recipe)
    steps = Trainer.step

    def step_then_stop(self: Trainer, *args: Any) -> Any:
        outcome = steps(self, *args)
        if self.step_number == stop_at:
            signal.raise_signal(signal.SIGINT)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    assert not likewise.train(photos, tmp_path / "part", recipe).finished
    monkeypatch.setattr(Trainer, "step", steps)
    assert likewise.train(photos, tmp_path / "part", resume=True).finished
    assert_same_run(tmp_path / "whole", tmp_path / "part")


def test_a_run_starts_with_insightface_weights(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "backbone.pth"
    state = iresnet_pth(path)
    recipe = iresnet(path, "optimizer.lr=1e-12", "schedule.epochs=1", 'model.freeze=["*bn*"]')
    result = likewise.train(photos, tmp_path / "run", recipe)
    after = likewise.load(result.model).module.state_dict()
    torch.testing.assert_close(after["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    assert torch.equal(after["layer4.1.bn3.running_var"], state["layer4.1.bn3.running_var"])
    assert f"starts with the weights of {path}" in (tmp_path / "run" / "train.log").read_text()


def test_code_in_a_pth_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "harmed").touch, ())

    torch.save({"conv1.weight": Harm()}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"bad.pth: cannot be read as plain weights"):
        network_of(iresnet(tmp_path / "bad.pth"))
    assert not (tmp_path / "harmed").exists()


def test_the_last_layer_can_be_initialised_at_random(model: Path, tmp_path: Path) -> None:
    recipe = quick_recipe("model.embedding_dim=16", f"model.weights={model}",
                          'model.weights_except=["fc.*", "features.*"]')  # fmt: skip
    module, start = network_of(recipe), likewise.load(model).module
    assert torch.equal(module.state_dict()["body.0.weight"], start.state_dict()["body.0.weight"])
    assert module.state_dict()["fc.weight"].shape == (16, 1024)
    path = tmp_path / "b.pth"
    iresnet_pth(path, dim=16, size=32)  # the body takes any size, the last layer one
    larger = iresnet(path, "input.height=64", "input.width=64", 'model.weights_except=["fc.*"]')
    assert network_of(larger).state_dict()["fc.weight"].shape == (16, 512 * 16)


def test_initial_weights_bring_mean_deviation_and_colour_order(
    photos: Path, tmp_path: Path
) -> None:
    backbone = Backbone("contrastnet", 32)
    used = likewise.Preprocess(32, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), order="bgr")
    Embedder(create_backbone(backbone, height=32, width=32), used, backbone).save(tmp_path / "m")
    recipe = quick_recipe(f"model.weights={tmp_path / 'm'}", "schedule.epochs=1")
    assert preprocess_of(recipe, read_initial_weights(recipe)) == used
    result = likewise.train(photos, tmp_path / "run", recipe)
    assert likewise.load(result.model).preprocess == used


def test_a_run_resumes_without_the_file_of_initial_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint has the weights and their mean, deviation and colour order."""
    photos = make_photos(tmp_path / "photos", people=6)
    backbone = Backbone("contrastnet", 32)
    used = likewise.Preprocess(32, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), order="bgr")
    start = tmp_path / "m"
    Embedder(create_backbone(backbone, height=32, width=32), used, backbone).save(start)
    recipe = quick_recipe(f"model.weights={start}", "schedule.epochs=3", "model.dropout=0.3")
    likewise.train(photos, tmp_path / "whole", recipe)
    steps = Trainer.step

    def step_then_stop(self: Trainer, *args: Any) -> Any:
        outcome = steps(self, *args)
        if self.step_number == 3:
            signal.raise_signal(signal.SIGTERM)
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", step_then_stop)
        assert not likewise.train(photos, tmp_path / "part", recipe).finished
    start.rename(tmp_path / "elsewhere")
    result = likewise.train(photos, tmp_path / "part", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    assert likewise.load(result.model).preprocess == used


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (["model.embedding_dim=16"],
         r'does not fit contrastnet: fc.weight \(\[32, 1024\], not \[16, 1024\]\), .* set '
         r'model.embedding_dim=32, or initialize these at random: model.weights_except='
         r'\["fc.\*","features'),
        (["input.height=64", "input.width=64"],
         r"set input.height=32 input.width=32, or initialize these at random: model.weights"),
        (["model.name=iresnet18"], "it is a contrastnet, model.name is iresnet18; set model.name"),
        (["input.channels=1"],
         "was trained with channels 3, the recipe has 1; set input.channels=3"),
        (["input.fit=pad"], "was trained with fit crop, the recipe has pad; set input.fit=crop"),
        (['model.weights_except=["fd.*"]'],
         r"model.weights_except: 'fd.\*' matches no weight; the closest are fc.\*"),
        (['model.freeze=["bodi.*"]'],
         r"model.freeze: 'bodi.\*' matches no weight; the closest are body.\*"),
        (['model.freeze=["stem.*"]'],
         r"matches no weight; the weights are body.\*, fc.\*, features.\*"),
        (['model.freeze=["*"]'], "nothing of the network is left to train"),
        (["optimizer.lr_scale={conv: 2}"], "optimizer.lr_scale: 'conv' matches no weight"),
        (["optimizer.lr_scale={fc.*: 0}"], "lr_scale.*greater than 0"),
        (["model.weights=null", 'model.weights_except=["fc.*"]'],
         "no effect without model.weights"),
    ],
)  # fmt: skip
def test_wrong_use(
    settings: list[str], problem: str, photos: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        likewise.train(photos, tmp_path / "run", quick_recipe(f"model.weights={model}", *settings))
    assert "\n" not in str(caught.value)


def test_weights_of_another_network(photos: Path, tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="the weights of another network"):
        network_of(iresnet(tmp_path / "other.pth"))
    with pytest.raises(InputError, match=r"gone.pth: no such file"):
        network_of(iresnet(tmp_path / "gone.pth"))


def test_prototype_memory_needs_people_with_several_photos(photos: Path, tmp_path: Path) -> None:
    loss = "loss.name=prototype_memory"
    for settings in (["batch.sampler=plain"], ["batch.images=1"]):
        with pytest.raises(InputError, match="set batch.sampler=balanced, batch.images=4"):
            likewise.train(photos, tmp_path / "run", quick_recipe(loss, *settings))
    assert likewise.train(photos, tmp_path / "run", quick_recipe(loss)).finished


def test_learning_rates_fall_towards_the_stem() -> None:
    module = create_backbone(Backbone("iresnet18", 16), height=32, width=32)
    choice = Optimizer(layer_decay=0.5, lr=0.1, lr_scale={"fc.*": 2.0, "*.bias": 10.0})
    rates = layer_rates(choice, module)
    expected = {
        "conv1.weight": 0.5**5, "layer1.0.conv1.weight": 0.5**4, "layer4.1.conv2.weight": 0.5,
        "fc.weight": 2.0, "fc.bias": 2.0, "features.bias": 10.0, "layer4.0.bn1.bias": 5.0,
    }  # fmt: skip
    assert {name: rates[name] for name in expected} == expected
    groups = build_optimizer(choice, module, nn.Linear(2, 3)).param_groups
    names = {id(p): name for name, p in module.named_parameters()}
    for group in groups[:-2]:
        assert group["peak_lr"] == group["lr"]
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert group["lr"] == pytest.approx(0.1 * rates[name])
            assert (group["weight_decay"] == 0) == (parameter.ndim == 1)
    assert [group["lr"] for group in groups[-2:]] == [0.1, 0.1]
    plain = build_optimizer(Optimizer(), module, nn.Module()).param_groups
    assert [group["lr"] for group in plain] == [1e-3, 1e-3]


def test_a_norm_is_frozen_with_its_own_weights() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2, affine=False))
    for patterns, held in (
        (["1.weight"], []), (["1.*"], [1]), (["1.weight", "1.bias"], [1]),
        (["2.*"], [2]), (["0.*"], []), (["0.*", "2.running*"], []),
    ):  # fmt: skip
        freezing = Freezing(module, patterns)
        assert freezing.norms == [module[n] for n in held], patterns
        module.train().requires_grad_()
    freezing = Freezing(module, ["1.*"], until=3)
    assert all(p.requires_grad for p in module.parameters())
    for epoch in (2, 3):
        module.train()
        freezing.apply(epoch)
        assert module[1].training == module[1].weight.requires_grad == (epoch == 3)


def test_weights_without_gradient_are_not_unfrozen() -> None:
    module = create_backbone(Backbone("iresnet18", 16), height=32, width=32)
    freezing = Freezing(module, ["features.*"], until=1)
    freezing.apply(0)
    freezing.apply(1)
    assert not module.get_parameter("features.weight").requires_grad
    assert module.get_parameter("features.bias").requires_grad


def test_patterns_match_dots_and_keep_the_order() -> None:
    names = ["a.b.weight", "a.c.weight", "d.weight"]
    assert matching("key", ["d.*", "a.*"], names) == names
    assert matching("key", ["a.?.weight"], names) == names[:2]
    assert matching("key", [], names) == []


def test_a_recipe_with_patterns_survives_yaml(tmp_path: Path) -> None:
    recipe = recipe_with(Recipe(), ['model.freeze=["*.bn1.*", "conv1.*"]',
                                    "optimizer.lr_scale={fc.*: 1e1}"])  # fmt: skip
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert likewise.load_recipe(tmp_path / "r.yaml") == recipe
    assert recipe.optimizer.lr_scale == {"fc.*": 10.0}
