"""The last layer whitened within identities: the map of WCCN, folded into the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import likewise
from likewise.data.preprocess import Preprocess
from likewise.metriclearn import WithinClassWhitening
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.recipe import recipe_with
from likewise.training.selection.whitened import whitened
from likewise.training.setup.start import tune_recipe
from tests.conftest import make_photos


@pytest.mark.parametrize("name", ["contrastnet", "mobilefacenet", "iresnet18", "sface"])
def test_the_network_computes_the_map_itself(name: str) -> None:
    torch.manual_seed(0)
    module = create_backbone(Backbone(name, 8), height=32, width=32)
    x = torch.randn(24, 3, 32, 32)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = 1.0  # its statistics are those of one pass
    module.train()(x)
    labels = np.repeat(np.arange(6), 4)
    with torch.no_grad():
        vectors = module.eval()(x).numpy()
        made = whitened(module, x[:4], vectors, labels, 0.5)
        assert made is not None
        found = made(x).numpy()
    wccn = WithinClassWhitening(weighting="classes", shrinkage=0.5).fit(vectors, labels)
    expected = wccn.transform(vectors)
    ratio = np.linalg.norm(expected) / np.linalg.norm(found)
    np.testing.assert_allclose(found * ratio, expected, atol=2e-3 * np.abs(expected).max())


def test_a_network_that_does_not_end_with_a_linear_layer_is_left_alone() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU()).eval()
    x, labels = torch.randn(8, 3, 2, 2), np.repeat(np.arange(4), 2)
    vectors = module(x).detach().numpy()
    assert whitened(module, x, vectors, labels, 0.5) is None
    assert whitened(module, x, vectors, np.arange(8), 0.5) is None  # nobody has two photos


def test_a_start_model_is_whitened_where_that_is_clearly_better(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=36)
    backbone = Backbone("contrastnet", 32)
    torch.manual_seed(0)
    network = create_backbone(backbone, height=32, width=32)
    rows = network.get_parameter("fc.weight").data  # one direction drowns the others
    rows[:] = rows[:1] + 0.03 * rows
    Embedder(network, Preprocess(32, 32), backbone).save(tmp_path / "start")
    settings = [
        "data.workers=0",
        "training.device=cpu",
        "data.val_identities=24",
        "model.whiten=0.05",
    ]
    recipe = recipe_with(tune_recipe(), [*settings, "schedule.epochs=1", "optimizer.lr=1e-9"])
    result = likewise.train(photos, tmp_path / "run", recipe, start=tmp_path / "start")
    assert result.start is not None
    assert result.start.whitened is not None
    assert result.start.whitened.clear
    assert "with its last layer whitened" in result.start.lines()[-1]
    assert result.validation == result.start.whitened.value > result.start.value
