"""Captured networks: the embeddings of the original to the bit, and nothing in a file is run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.models.embedder import Embedder
from likewise.models.export.tracing import to_graph
from likewise.models.graph.capture import capture
from likewise.models.graph.captured import (
    CapturedNetwork,
    Program,
    read_program,
    write_program_file,
)
from likewise.models.graph.operators import UnknownOperator

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


def own_network() -> nn.Module:
    """Of a class that no other process can import."""

    class Own(nn.Module):
        mask: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.norm = nn.BatchNorm2d(8)
            self.drop = nn.Dropout(0.5)
            self.fc = nn.Linear(8 * 7 * 7, 16)
            self.register_buffer("mask", torch.rand(1, 8, 1, 1), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            x = x + torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)  # a constant
            x = self.norm(self.conv(x)).relu_() * self.mask  # a buffer that is not saved
            x = F.interpolate(x, size=(14, 14), mode="bilinear")
            x = F.max_pool2d(x, 2).reshape(x.shape[0], -1)  # the batch size as a number
            return F.normalize(self.fc(self.drop(x)), dim=1)

    torch.manual_seed(0)
    module = Own()
    module.norm.running_mean = torch.rand(8)
    return module.eval()


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "own": own_network,
    "resnet": lambda: timm.create_model("resnet18", num_classes=0, layers=[1, 1, 1, 1]),
    "vit": lambda: timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=32, depth=2, embed_dim=48, num_heads=2
    ),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_saved_and_loaded_to_the_bit(name: str, tmp_path: Path) -> None:
    embedder = Embedder(NETWORKS[name](), Preprocess(32, 32))
    embedder.save(tmp_path / "m")
    back = likewise.load(tmp_path / "m")
    assert isinstance(back.module, CapturedNetwork)
    for count in (1, 2, 5):  # any batch size
        np.testing.assert_array_equal(
            back.embed(PIXELS, batch_size=count), embedder.embed(PIXELS, batch_size=count)
        )
    assert back.fingerprint == embedder.fingerprint
    assert back.network == embedder.network
    assert "module=" not in (tmp_path / "m" / "MODEL_CARD.md").read_text()
    back.save(tmp_path / "copy")  # without the class
    assert likewise.load(tmp_path / "copy").fingerprint == embedder.fingerprint


def test_its_gradient_is_that_of_the_original() -> None:
    original = own_network()
    network = CapturedNetwork(capture(original, (3, 32, 32)), original.state_dict())
    images = torch.randn(3, 3, 32, 32)
    for module in (network, original):
        module(images).sum(0).prod().backward()
    for name, parameter in original.named_parameters():
        torch.testing.assert_close(network.get_parameter(name).grad, parameter.grad)


def test_the_original_stays_as_it_is() -> None:
    original = own_network().train()
    before = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    capture(original, (3, 32, 32))
    assert all(part.training for part in original.modules())
    assert all(torch.equal(before[name], t) for name, t in original.state_dict().items())


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_exported_as_any_other(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    embedder = Embedder(NETWORKS[name](), Preprocess(32, 32))
    embedder.save(tmp_path / "m")
    done = likewise.export(tmp_path / "m", tmp_path / "m.onnx")  # compared with the captured one
    assert max(done.differences.values()) < 1e-5
    exported = likewise.load(done.path)
    assert exported.fingerprint == embedder.fingerprint
    np.testing.assert_allclose(exported.embed(PIXELS), embedder.embed(PIXELS), atol=1e-5)
    # By the exporter that needs no package of its own; the other one is the fall-back.
    assert to_graph(likewise.load(tmp_path / "m").module, (3, 32, 32), name)[1] == "traced"


def test_it_is_exported_to_torch(tmp_path: Path) -> None:
    Embedder(own_network(), Preprocess(32, 32)).save(tmp_path / "m")
    done = likewise.export(tmp_path / "m", tmp_path / "m.pt2", to="torch")
    assert max(done.differences.values()) < 1e-5


def test_it_is_loaded_into_its_class_to_train_further(tmp_path: Path) -> None:
    embedder = Embedder(own_network(), Preprocess(32, 32))
    embedder.save(tmp_path / "m")
    back = likewise.load(tmp_path / "m", module=own_network)
    assert not isinstance(back.module, CapturedNetwork)
    assert back.fingerprint == embedder.fingerprint


def program() -> Program:
    return capture(NETWORKS["linear"](), (3, 32, 32))


def changed(graph: dict[str, Any]) -> Program:
    return replace(program(), graph={**program().graph, **graph})


WEIGHTS = {"1.weight": torch.zeros(8, 3072), "1.bias": torch.zeros(8)}
CALL: dict[str, Any] = {"name": "a", "args": ["/etc/hostname"], "kwargs": {}}


@pytest.mark.parametrize(
    "operator",
    [
        "aten.from_file.default",
        "aten.set_.source_Storage",
        "aten.resize_.default",
        "aten._foreach_add.List",
        "aten.relu.default.__class__",
        "aten.__class__.mro",
        "torch.os.system",
        "torch.load",
        "os.system",
        "prims.add.default",
        "pow",
        "",
    ],
)
def test_operators_outside_of_the_set_are_refused(operator: str) -> None:
    with pytest.raises(UnknownOperator, match="is not one of those that captured networks have"):
        CapturedNetwork(
            changed({"nodes": [{**CALL, "operator": operator}], "output": "a"}), WEIGHTS
        )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"value": "later"}, "a reads later before it is"),
        ({"dtype": "load"}, "is not an argument of an operator"),
        ({"device": "input", "more": 1}, "is not an argument of an operator"),
        ({"float": "1e999"}, "is not an argument of an operator"),
    ],
)
def test_malformed_arguments_are_refused(argument: Any, message: str) -> None:
    node = {"name": "a", "operator": "aten.relu.default", "args": [argument], "kwargs": {}}
    with pytest.raises(InputError, match=message):
        CapturedNetwork(changed({"nodes": [node], "output": "a"}), WEIGHTS)(torch.zeros(1, 3, 4, 4))


def test_arithmetic_is_on_numbers_only() -> None:
    node = {"name": "a", "operator": "mul", "args": [[0], 10**9], "kwargs": {}}
    with pytest.raises(InputError, match="arithmetic is on numbers only"):
        CapturedNetwork(changed({"nodes": [node], "output": "a"}), WEIGHTS)(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(
    "graph",
    [
        {"nodes": 3},
        {"weights": []},
        {"weights": {"w": "missing"}},
        {"nodes": [{}]},
        {"output": "z"},
    ],
)
def test_a_malformed_program_is_refused(graph: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a captured network"):
        CapturedNetwork(changed(graph), WEIGHTS)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    write_program_file(tmp_path, program())
    (path,) = tmp_path.iterdir()
    other = changed({"name": "other"})
    write_program_file(tmp_path, other)
    (tmp_path / other.file_name).rename(path)
    with pytest.raises(InputError, match="damaged: its content belongs to program-"):
        read_program(path)


class Drifting(nn.Module):
    """Changes a buffer in evaluation too."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x.mean((2, 3)) * self.count


class Branching(nn.Module):
    """Its output depends on a number in Python."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) if float(x.sum()) > 0 else x.amax((2, 3))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Drifting(), "cannot be captured .it changes count in evaluation mode"),
        (Branching(), "torch.export cannot capture it"),
    ],
)
def test_what_cannot_be_captured_says_why(module: nn.Module, message: str) -> None:
    with pytest.raises(LikewiseError, match=message):
        capture(module, (3, 32, 32))


def test_a_model_names_no_file_outside_of_its_folder(tmp_path: Path) -> None:
    Embedder(NETWORKS["linear"](), Preprocess(32, 32)).save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["program"] = "../../" + config["program"]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    assert likewise.load(tmp_path / "m").network == "Sequential"  # the name alone counts


def test_torch_writes_nothing_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        capture(own_network(), (3, 32, 32))
    assert not caplog.records
