"""Planted duplicates are found, different people are not reported, and the searches are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageEnhance

from likewise.data.formats import read_manifest
from likewise.inspection.census import Census, take_census
from likewise.inspection.copy_thresholds import copied, thresholds_from_copies
from likewise.inspection.duplicates import (
    embedding_duplicates,
    exact_duplicates,
    near_duplicates,
    pairs_above,
)
from likewise.inspection.hashes import near_hashes, perceptual_hashes, pixel_correlations
from tests.inspection.planted import make_pictures, picture


@pytest.fixture(scope="module")
def with_duplicates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]]]:
    """150 pictures of 30 people, 6 exact duplicates and 18 altered ones; and what was planted."""
    folder = tmp_path_factory.mktemp("with_duplicates")
    for number in range(150):
        (folder / f"p{number % 30:02d}").mkdir(exist_ok=True)
        picture(number).save(folder / f"p{number % 30:02d}" / f"{number:03d}.png")
    exact, near = set(), set()
    for number in range(24):
        image = picture(number)
        copy = folder / f"p{(number + number % 2) % 30:02d}" / f"copy{number:03d}.png"
        if number < 6:
            image.save(copy, compress_level=1)
            exact.add(copy.name)
            continue
        if number % 3 == 0:
            copy = copy.with_suffix(".jpg")
            image.save(copy, quality=50)
        elif number % 3 == 1:
            image.resize((40, 40)).save(copy)
        else:
            ImageEnhance.Brightness(image).enhance(1.15).save(copy)
        near.add(copy.name)
    return folder, {"exact": exact, "near": near}


def test_planted_duplicates_are_found_and_no_others(
    with_duplicates: tuple[Path, dict[str, set[str]]],
) -> None:
    folder, planted = with_duplicates
    manifest = read_manifest(folder)
    census = take_census(manifest)
    exact = exact_duplicates(census)
    near = near_duplicates(census, exact)

    def copies(found: list[object]) -> set[str]:
        ends = [{Path(manifest.names[row]).name for row in (d.left, d.right)} for d in found]
        for pair in ends:
            numbers = {name.removeprefix("copy").split(".")[0] for name in pair}
            assert len(numbers) == 1, pair
        return {name for pair in ends for name in pair if name.startswith("copy")}

    assert copies(list(exact)) == planted["exact"]
    assert copies(list(near)) == planted["near"]
    assert all(0.95 <= duplicate.score <= 1 for duplicate in near)


def test_blank_pictures_are_duplicates_only_with_the_same_pixels() -> None:
    grey = np.full((30, 1024), 90, np.uint8)
    grey[20:] = np.random.default_rng(0).integers(0, 255, (10, 1024))
    digests = np.random.default_rng(1).integers(0, 255, (30, 32)).astype(np.uint8)
    digests[3] = digests[7]
    census = Census(
        np.full((30, 2), 50, np.int32), np.ones(30, np.int64), ["PNG"] * 30, ["grey"] * 30, {},
        digests, grey,
    )  # fmt: skip
    exact = exact_duplicates(census)
    assert [(d.left, d.right) for d in exact] == [(3, 7)]
    assert near_duplicates(census, exact) == []


@pytest.mark.parametrize("radius", [0, 3, 7])
def test_the_hash_search_is_exact(radius: int) -> None:
    random = np.random.default_rng(radius)
    hashes = random.integers(0, 256, (300, 8)).astype(np.uint8)
    for row in range(100):  # neighbours at every distance up to 12
        bits = random.choice(64, row % 13, replace=False)
        hashes[200 + row] = np.packbits(
            np.unpackbits(hashes[row]) ^ np.isin(np.arange(64), bits).astype(np.uint8)
        )
    expected = []
    for i in range(300):
        for j in range(i + 1, 300):
            apart = int(np.unpackbits(hashes[i] ^ hashes[j]).sum())
            if apart <= radius:
                expected.append((i, j, apart))
    found = near_hashes(hashes, radius)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_the_similarity_of_thumbnails_is_a_correlation() -> None:
    random = np.random.default_rng(0)
    grey = random.integers(0, 255, (4000, 1024)).astype(np.uint8)
    units = grey - grey.mean(axis=1, keepdims=True)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    units -= units.mean(axis=0) * (4000 / 4050)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    left, right = random.integers(0, 4000, (2, 50))
    found = pixel_correlations(grey, left, right)
    np.testing.assert_allclose(found, (units[left] * units[right]).sum(axis=1), atol=1e-9)
    assert perceptual_hashes(grey[:0]).shape == (0, 8)


@pytest.mark.parametrize("threshold", [0.3, 0.6, 2.0])
def test_blocked_search_equals_brute_force(
    threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("likewise.inspection.duplicates.ROWS", 64)
    monkeypatch.setattr("likewise.inspection.duplicates.COLUMNS", 100)
    random = np.random.default_rng(3)
    vectors = random.normal(size=(500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = vectors @ vectors.T
    i, j = np.nonzero(np.triu(whole >= threshold, 1))
    first, second, scores, more = pairs_above(vectors, threshold)
    assert (first.tolist(), second.tolist(), more) == (i.tolist(), j.tolist(), False)
    np.testing.assert_allclose(scores, whole[i, j], atol=1e-6)
    if len(i) > 40:
        *_, kept, more = pairs_above(vectors, threshold, most=40)
        assert more
        np.testing.assert_allclose(np.sort(kept)[::-1], np.sort(whole[i, j])[::-1][:40], atol=1e-6)


def test_embeddings_that_agree_need_pixels_that_do_not_object() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(60, 32)).astype(np.float32)
    vectors[50], vectors[51] = vectors[10], vectors[11]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    grey = random.integers(0, 255, (60, 1024)).astype(np.uint8)
    grey[50] = np.clip(grey[10] + random.normal(0, 60, 1024), 0, 255).astype(np.uint8)
    digests = random.integers(0, 255, (60, 32)).astype(np.uint8)
    census = Census(
        np.full((60, 2), 50, np.int32), np.ones(60, np.int64), ["PNG"] * 60, ["grey"] * 60, {},
        digests, grey,
    )  # fmt: skip
    found, more = embedding_duplicates(
        vectors, np.arange(60), census, [], threshold=0.95, similarity=0.5
    )
    assert [(d.left, d.right) for d in found] == [(10, 50)]
    assert not more


def test_copies_say_from_where_on_pixels_are_one_shot(tmp_path: Path) -> None:
    """Other pictures lie below the line, though a weak embedding takes all for one."""
    folder = make_pictures(tmp_path / "photos", [f"person{n:02d}" for n in range(12)])
    copied(picture(0)).save(folder / "person00" / "copy.png")
    manifest = read_manifest(folder)
    census = take_census(manifest)
    assert census.grey is not None
    lines = thresholds_from_copies(manifest, census.grey, census.readable)
    assert lines is not None
    cosine, pixels = lines
    assert cosine is None
    alike = np.ones((len(manifest), 4), np.float32) / 2
    found, _ = embedding_duplicates(
        alike, census.readable, census, [], threshold=0.99, similarity=pixels
    )
    names = manifest.names
    assert {names[row] for d in found for row in (d.left, d.right)} == {
        "person00/0.png", "person00/copy.png"
    }  # fmt: skip
