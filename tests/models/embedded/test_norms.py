"""Quality from the length of raw embeddings: percentiles, and where they are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import percentileofscore

import likewise
from likewise.data.embeddings import NORM, read_embeddings, write_embeddings
from likewise.errors import InputError
from likewise.evaluation.calibration.fit import calibrate
from likewise.models.embedded.norms import NormReference
from likewise.models.zoo.sface import MEASURED
from likewise.storage import read_json
from tests.conftest import make_photos


def test_quality_is_the_percentile_among_the_reference() -> None:
    lengths = np.random.default_rng(0).gamma(20, size=5000)
    reference = NormReference.measured(lengths, "LFW")
    some = np.random.default_rng(1).gamma(20, size=50)
    expected = [percentileofscore(lengths, length, kind="mean") / 100 for length in some]
    assert reference.quality(some) == pytest.approx(expected, abs=0.005)
    assert reference.quality([0, 1e9]).tolist() == [0, 1]
    assert (reference.count, reference.of) == (5000, "LFW")


def test_it_is_written_and_read() -> None:
    reference = NormReference.measured(np.arange(30.0), "a")
    assert NormReference.from_dict(reference.to_dict()) == reference
    for wrong in ({}, {"quantiles": [1, 2], "count": 2}, {"quantiles": "no", "count": 1}, []):
        with pytest.raises(InputError, match="norms: "):
            NormReference.from_dict(wrong)
    with pytest.raises(InputError, match="not fall"):
        NormReference((2.0, *[1.0] * 100), 5)


@pytest.mark.parametrize(
    "lengths",
    [
        np.ones(100),
        1 + np.random.default_rng(0).normal(0, 1e-7, 100),
        np.arange(5.0),
        [np.inf] * 50,
    ],
    ids=["equal", "rounding", "few", "infinite"],
)
def test_lengths_that_say_nothing_give_no_reference(lengths: object) -> None:
    assert NormReference.measured(lengths) is None


def test_embeddings_carry_the_length_of_each_raw_embedding(model: Path, tmp_path: Path) -> None:
    manifest = likewise.read_manifest(make_photos(tmp_path / "photos", people=4))
    embedder = likewise.load(model)
    raw = embedder.embed(manifest.photos(), normalize=False)
    found, _ = embedder.embed_manifest(manifest, batch_size=5)
    lengths = np.linalg.norm(raw, axis=1)
    assert found.items[NORM].to_numpy() == pytest.approx(lengths, rel=1e-5)
    write_embeddings(found, tmp_path / "e.parquet")
    assert read_embeddings(tmp_path / "e.parquet").items[NORM].equals(found.items[NORM])
    both, _ = embedder.embed_manifest(manifest, flip=True)
    mean = np.linalg.norm(embedder.embed(manifest.photos(), normalize=False, flip=True), axis=1) / 2
    assert both.items[NORM].to_numpy() == pytest.approx(mean, rel=1e-5)


def test_calibration_measures_the_reference_and_the_model_keeps_it(
    model: Path, tmp_path: Path
) -> None:
    embedder = likewise.load(model)
    photos = make_photos(tmp_path / "photos", people=7)
    found, _ = embedder.embed_manifest(likewise.read_manifest(photos))
    calibrate(embedder, found, fmr=0.1, replicates=0, data="people")
    assert embedder.norms.count == 28
    assert embedder.norms.of == "people"
    quality = embedder.norms.quality(found.items[NORM].to_numpy())
    assert np.argmin(quality) == np.argmin(found.items[NORM].to_numpy())
    card = embedder.save(tmp_path / "saved") / "MODEL_CARD.md"
    assert "among 28 photos of people" in card.read_text(encoding="utf-8")
    assert likewise.load(tmp_path / "saved").norms == embedder.norms


def test_sface_comes_with_the_norms_of_lfw() -> None:
    norms = read_json(MEASURED)["norms"]
    reference = NormReference.from_dict(norms)
    assert (reference.count, reference.of) == (13_233, "LFW")
    assert reference.quality([6.0, 12.7, 18.0]) == pytest.approx([0, 0.5, 1], abs=0.02)
