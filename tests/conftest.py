"""What the tests share: small photo folders made here, a model trained on them, and real data."""

from __future__ import annotations

import os

# One thread a process, in what the tests start too: they run side by side, one process a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

# What the tests derive stays out of the cache of whoever runs them.
os.environ.setdefault(
    "LIKEWISE_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "likewise")
)

import numpy as np
import pytest
from PIL import Image, ImageFilter

from likewise.training.recipe.recipe import Recipe, recipe_with

PEOPLE = ("anna", "bob", "carl")


def draw_person(seed: int, take: int, size: int = 40) -> Image.Image:
    """A photo of a made-up person: a pattern of their own, and noise of the day."""
    face = np.random.default_rng(seed).uniform(0, 255, (5, 5, 3)).astype(np.uint8)
    image = Image.fromarray(face).resize((size, size), Image.Resampling.BICUBIC)
    noise = np.random.default_rng([seed, take]).normal(0, 18, (size, size, 3))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.6))


def make_photos(folder: Path, people: int | tuple[str, ...] = PEOPLE, each: int = 4) -> Path:
    """A folder of identities, each with ``each`` photos."""
    names = [f"person{n:02d}" for n in range(people)] if isinstance(people, int) else people
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for take in range(each):
            draw_person(number, take).save(folder / name / f"{take}.png")
    return folder


def quick_recipe(*settings: str) -> Recipe:
    """A recipe that trains in about a second."""
    return recipe_with(
        Recipe(),
        [
            "input.height=32",
            "input.width=32",
            "model.name=contrastnet",
            "model.embedding_dim=32",
            "batch.sampler=balanced",
            "batch.identities=3",
            "batch.images=2",
            "schedule.epochs=2",
            "data.workers=0",
            "data.val_identities=0",
            "training.device=cpu",
            *settings,
        ],
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three people with four photos each."""
    return make_photos(tmp_path / "photos")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedder's folder, trained on eight people, two of them held out."""
    from likewise.training.run import train

    folder = tmp_path_factory.mktemp("trained")
    data = make_photos(folder / "photos", people=8)
    recipe = quick_recipe("data.val_identities=3", "schedule.epochs=3")
    return train(data, folder / "run", recipe).model


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; tests that need it are skipped where it is absent."""
    named = os.environ.get("LIKEWISE_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data here: set LIKEWISE_DATA to its folder")
    return folder
