"""Weights trained elsewhere: kinds of checkpoints, prefixes of names, and files without weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.importing import import_onnx, import_weights
from likewise.models.registry import Backbone, create_backbone
from likewise.models.saving import WEIGHTS
from likewise.models.state_dict import network_part, read_state_dict
from likewise.training.setup.build import network_of
from tests.conftest import quick_recipe

CONTRASTNET = Backbone("contrastnet", 32)
SEEN = Preprocess(32, 32)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return create_backbone(CONTRASTNET, height=32, width=32).eval()


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def arcface_torch(state: dict[str, Tensor]) -> dict[str, Any]:
    """As its trainer writes ``checkpoint_gpu_0.pt``."""
    weight = nn.Parameter(torch.ones(5, 32))
    optimizer = torch.optim.SGD([{"params": [weight]}], lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer)
    return {
        "epoch": 3,
        "global_step": 1200,
        "state_dict_backbone": state,
        "state_dict_softmax_fc": {"weight": weight.detach()},
        "state_optimizer": optimizer.state_dict(),
        "state_lr_scheduler": schedule.state_dict(),
    }


def lightning(state: dict[str, Tensor]) -> dict[str, Any]:
    loss = {"loss.weight": torch.ones(5, 32), "loss.t": torch.zeros(1)}
    return {
        "epoch": 1,
        "pytorch-lightning_version": "2.4",
        "state_dict": prefixed("model.", state) | loss,
    }


FILES = {
    "plain": lambda state: state,
    "DataParallel": lambda state: prefixed("module.", state),
    "compiled": lambda state: prefixed("_orig_mod.", state),
    "compiled DataParallel": lambda state: prefixed("module._orig_mod.", state),
    "model.": lambda state: prefixed("model.", state),
    "backbone.": lambda state: prefixed("backbone.", state),
    "arcface_torch": arcface_torch,
    "Lightning": lightning,
    "timm": lambda state: {"arch": "r50", "state_dict": state, "optimizer": {"state": {}}},
    "nested twice": lambda state: {"model": {"state_dict": prefixed("module.", state)}},
    "half": lambda state: {n: t.half() if t.is_floating_point() else t for n, t in state.items()},
}


@pytest.mark.parametrize("kind", FILES)
def test_foreign_checkpoints_give_the_network(kind: str, net: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_gpu_0.pt"
    torch.save(FILES[kind](dict(net.state_dict())), path)
    x = torch.randn(2, 3, 32, 32)
    near = {"atol": 2e-2, "rtol": 0.0} if kind == "half" else {"atol": 0.0, "rtol": 0.0}
    torch.testing.assert_close(import_weights(path, CONTRASTNET, SEEN).module(x), net(x), **near)
    trained = network_of(quick_recipe(f"model.weights={path}")).eval()
    torch.testing.assert_close(trained(x), net(x), **near)


@pytest.mark.parametrize("suffix", [".safetensors", ".SAFETENSORS"])
def test_safetensors_work_like_pth(suffix: str, net: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    save_file(prefixed("backbone.", dict(net.state_dict())), path)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(import_weights(path, CONTRASTNET, SEEN).module(x), net(x))
    torch.testing.assert_close(network_of(quick_recipe(f"model.weights={path}")).eval()(x), net(x))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="damaged, or not a safetensors"):
        read_state_dict(path)


def test_truncated_weights_are_refused(net: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(net.state_dict(), path)
    for part in (100, 2_000, path.stat().st_size - 10):
        path.write_bytes(path.read_bytes()[:part])
        with pytest.raises(InputError, match="it is damaged, or not a file of torch.save"):
            read_state_dict(path)
        torch.save(net.state_dict(), path)


def test_weights_that_are_not_finite_are_refused_by_name(net: nn.Module, tmp_path: Path) -> None:
    state = dict(net.state_dict())
    state["fc.weight"] = torch.full_like(state["fc.weight"], torch.nan)
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(InputError, match=r"nan.pth: fc.weight holds NaN or infinity"):
        import_weights(tmp_path / "nan.pth", CONTRASTNET, SEEN)


def test_other_tensors_are_counted_and_named(
    net: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(lightning(dict(net.state_dict())), tmp_path / "a.ckpt")
    with caplog.at_level(logging.WARNING):
        import_weights(tmp_path / "a.ckpt", CONTRASTNET, SEEN)
    (record,) = caplog.records
    assert record.getMessage().endswith(
        "left out 2 tensors that are not part of the network: loss.weight, loss.t"
    )


def test_names_of_the_network_are_no_prefix() -> None:
    own = {name: torch.zeros(1) for name in ("model.fc.weight", "model.fc.bias", "fc.weight")}
    assert network_part(own, own, "file") == (own, [])


def test_a_network_under_two_prefixes_is_refused(net: nn.Module, tmp_path: Path) -> None:
    state = dict(net.state_dict())
    torch.save(prefixed("encoder_q.", state) | prefixed("encoder_k.", state), tmp_path / "moco.pth")
    with pytest.raises(InputError, match=r"under encoder_k. and encoder_q.; save only one"):
        import_weights(tmp_path / "moco.pth", CONTRASTNET, SEEN)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 174000000\n"
NO_WEIGHTS = {
    "pointer": (LFS, "is a pointer of Git LFS, .* git lfs pull"),
    "page": (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page"),
    "empty": (b"", "is empty; download it again"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_files_without_weights_are_described(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    content, problem = NO_WEIGHTS[kind]
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        import_weights(path, CONTRASTNET, SEEN)
    with pytest.raises(InputError, match=problem):
        network_of(quick_recipe(f"model.weights={path}"))


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_files_without_onnx_are_described(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    content, problem = NO_WEIGHTS[kind]
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(InputError, match=problem):
        import_onnx(tmp_path / "net.onnx", SEEN)


def test_lfs_pointers_are_described(net: nn.Module, tmp_path: Path) -> None:
    Embedder(net, SEEN, CONTRASTNET).save(tmp_path / "m")
    (tmp_path / "m" / WEIGHTS).write_bytes(LFS)
    with pytest.raises(InputError, match="is a pointer of Git LFS"):
        likewise.load(tmp_path / "m")


def endless() -> dict[str, Any]:
    inside: dict[str, Any] = {}
    inside["model"] = inside
    return inside


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda p: torch.save(nn.Linear(2, 2), p),
         "Python objects, torch.nn.modules.linear.Linear, which would have to be run"),
        (lambda p: torch.jit.script(nn.Linear(2, 2)).save(p),
         "it is a TorchScript archive; save the weights alone"),
        (lambda p: p.write_bytes(b"hello"), "cannot be read as plain weights"),
        (lambda p: torch.save({"epoch": 3, "best": 0.9}, p), "it holds epoch, best"),
        (lambda p: torch.save({}, p), "it holds nothing"),
        (lambda p: torch.save([torch.ones(2)], p), "it holds list"),
        (lambda p: torch.save({str(k): k for k in range(99)}, p), "it holds 0, 1, 2, 3, 4, …"),
        (lambda p: torch.save(endless(), p), "it holds model"),
    ],
    ids=["whole network", "TorchScript", "text", "numbers", "nothing", "list", "many", "endless"],
)  # fmt: skip
def test_other_files_have_their_own_message(write: Any, problem: str, tmp_path: Path) -> None:
    write(tmp_path / "net.pth")
    with pytest.raises(InputError, match=problem) as caught:
        read_state_dict(tmp_path / "net.pth")
    assert "\n" not in str(caught.value)
    assert "trust" not in str(caught.value)  # no advice to run what is in the file


def test_a_file_of_weights_is_not_loaded_as_a_model(net: nn.Module, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"likewise models import .*net.pth --out FOLDER"):
        likewise.load(tmp_path / "net.pth")
