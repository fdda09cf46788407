"""Programs of torch.export: they run without Likewise, with any batch size."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import likewise
from likewise.errors import InputError, LikewiseError
from likewise.models.export import export
from likewise.models.export.torch_program import FACTS
from tests.models.export.test_onnx_export import embedder_of

ALONE = """
import sys
sys.modules["likewise"] = None  # an import would fail
import numpy as np, torch
program = torch.export.load(sys.argv[1]).module()
for batch in (1, 7, 64):
    photos = torch.from_numpy(np.load(sys.argv[2]))[:batch]
    np.save(sys.argv[3] % batch, program(photos).detach().numpy())
"""


def test_the_program_runs_without_likewise(tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet", order="bgr")
    done = export(embedder, tmp_path / "m.pt2", to="torch", preprocess=True, normalize=True)
    assert done.opset is None
    assert max(done.differences.values()) < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]
    photos = np.random.default_rng(1).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "photos.npy", photos)
    files = [str(tmp_path / name) for name in ("m.pt2", "photos.npy", "%d.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", ALONE, *files], check=True)
    for batch in (1, 7, 64):
        found = np.load(tmp_path / f"{batch}.npy")
        np.testing.assert_allclose(found, embedder.embed(photos[:batch]), atol=1e-5)
    content = (tmp_path / "m.pt2").read_bytes()
    assert b"contrastnet.py" not in content  # no path of this machine


def test_facts_are_inside_and_the_file_is_never_loaded(tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet")
    export(embedder, tmp_path / "m.pt2", to="torch")
    facts = {FACTS: ""}
    torch.export.load(tmp_path / "m.pt2", extra_files=facts)
    found = json.loads(facts[FACTS])
    assert found["exported_from"] == embedder.fingerprint
    assert found["input"] == {"name": "image", "type": "float32", "shape": ["batch", 3, 32, 32]}
    with pytest.raises(InputError, match=r"neither a model's folder nor an .onnx file"):
        likewise.load(tmp_path / "m.pt2")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilefacenet", "iresnet18"])
def test_other_networks(name: str, tmp_path: Path) -> None:
    done = export(embedder_of(name), tmp_path / "m.pt2", to="torch")
    assert max(done.differences.values()) < 1e-5


def test_what_torch_cannot_capture_is_one_line(tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet")
    embedder.module.forward = lambda x: x.flatten(1) if x.sum() > 0 else x.mean(1)  # type: ignore[method-assign]  # the fault
    with pytest.raises(LikewiseError, match=r"contrastnet: torch.export cannot export") as caught:
        export(embedder, tmp_path / "m.pt2", to="torch")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_is_no_network_of_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    export(embedder_of("contrastnet"), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="is an ONNX file, .* use onnx"):
        export(tmp_path / "m.onnx", tmp_path / "m.pt2", to="torch")
    assert not (tmp_path / "m.pt2").exists()


def test_weights_with_channels_last_give_no_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        export(embedder_of("sface"), tmp_path / "m.pt2", to="torch")
    assert [str(warning.message) for warning in seen] == []
