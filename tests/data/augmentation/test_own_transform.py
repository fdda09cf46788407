"""Transforms of a user: each library gets its kind of pixels, and the seed alone decides."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms as old
from torchvision.transforms import v2

import likewise
from likewise.data.augmentation.own_transform import OwnTransform
from likewise.data.photos import Photos
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from tests.conftest import draw_person

PIXELS = np.asarray(draw_person(0, 0))


def own(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draws from all three global generators."""
    left = random.randrange(8)
    top = np.random.randint(8)  # noqa: NPY002  # the old interface, on purpose
    cut = pixels[top : top + 32, left : left + 32]
    return cut[:, ::-1] if torch.rand(()) < 0.5 else cut


CHAIN = [v2.RandomResizedCrop(32, antialias=True), v2.RandomHorizontalFlip()]
TRANSFORMS: dict[str, Any] = {
    "function": own,
    "v2": v2.Compose(CHAIN),
    "v2 to floats": v2.Compose([*CHAIN, v2.ToDtype(torch.float32, scale=True)]),
    "v2 one": v2.RandomResizedCrop(32, antialias=True),
    "module": torch.nn.Sequential(*CHAIN),
    "old": old.Compose([old.RandomResizedCrop(32), old.ToTensor()]),
}


def dataset(photos: Path, transform: Any, channels: Any = 3) -> Photos:
    half = (0.5,) * channels
    preprocess = Preprocess(32, 32, channels, mean=half, std=half)
    manifest = likewise.read_manifest(photos)
    return Photos(manifest, preprocess, transform=OwnTransform(transform))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_pixels_depend_on_the_photo_and_its_seed_alone(name: str, photos: Path) -> None:
    data = dataset(photos, TRANSFORMS[name])
    draws = [(3, 7), (5, 2**61), (3, 8), (3, 7)]
    whole = data.batch(draws).pixels
    assert whole.dtype == torch.uint8
    assert whole.shape == (4, 3, 32, 32)
    assert torch.equal(whole[0], whole[3])
    assert not torch.equal(whole[0], whole[2])
    random.seed(1)
    torch.manual_seed(1)
    for place in (2, 1, 0):  # in another order, one at a time
        assert torch.equal(data.batch([draws[place]]).pixels[0], whole[place])


def test_the_global_random_numbers_stay_as_they_are(photos: Path) -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002  # old interface
    torch.manual_seed(3)
    dataset(photos, own).batch([(0, 1), (1, 2)])
    found = random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002  # old interface
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002  # old interface
    torch.manual_seed(3)
    assert found == (random.random(), np.random.rand(), float(torch.rand(())))  # noqa: NPY002  # old interface


@pytest.mark.parametrize("name", ["v2", "old"])
def test_the_result_is_that_of_the_library_under_the_same_seed(name: str, photos: Path) -> None:
    data = dataset(photos, TRANSFORMS[name])
    found = data.batch([(4, 11)]).pixels[0]
    path = data.manifest.photo(4)
    assert isinstance(path, Path)
    image = Image.open(path).convert("RGB")
    torch.manual_seed(11)
    if name == "v2":
        expected = v2.Compose(CHAIN)(torch.from_numpy(np.array(image).transpose(2, 0, 1)))
    else:
        expected = (TRANSFORMS["old"](image) * 255).round().to(torch.uint8)
    assert torch.equal(found, expected)


def test_the_transform_sees_the_whole_photo_and_its_result_is_resized(photos: Path) -> None:
    seen = []

    def look(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        seen.append(pixels.shape)
        return pixels

    data = dataset(photos, look)
    found = data.batch([(0, 1)]).pixels[0]
    assert seen == [(40, 40, 3)]
    assert torch.equal(found, data.preprocess.pixels(data.manifest.photo(0)))


def test_gray_photos_have_one_channel(photos: Path) -> None:
    shapes = []

    def look(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        shapes.append(pixels.shape)
        return pixels

    assert dataset(photos, look, channels=1).batch([(0, 1)]).pixels.shape == (1, 1, 32, 32)
    assert shapes == [(40, 40, 1)]
    for name in ("v2", "old"):
        assert dataset(photos, TRANSFORMS[name], 1).batch([(0, 1)]).pixels.shape == (1, 1, 32, 32)


class Chain:
    """The interface of albumentations: ``image=`` in, a dictionary out, random numbers its own."""

    def __init__(self) -> None:
        self.random = random.Random()

    def set_random_seed(self, seed: int) -> None:
        self.random.seed(seed)

    def __call__(self, *, image: NDArray[np.uint8]) -> dict[str, Any]:
        return {"image": np.roll(image, self.random.randrange(40), axis=1)}


def test_the_interface_of_albumentations(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "__module__", "albumentations.core.composition")
    data = dataset(photos, Chain())
    whole = data.batch([(3, 7), (3, 8), (3, 7)]).pixels
    assert torch.equal(whole[0], whole[2])
    assert not torch.equal(whole[0], whole[1])


def test_albumentations_itself(photos: Path) -> None:
    albumentations = pytest.importorskip("albumentations")
    chain = albumentations.Compose(
        [albumentations.RandomCrop(32, 32), albumentations.HueSaturationValue(p=1)]
    )
    data = dataset(photos, chain)
    whole = data.batch([(3, 7), (3, 8), (3, 7)]).pixels
    assert torch.equal(whole[0], whole[2])
    assert not torch.equal(whole[0], whole[1])


def test_the_description_is_the_same_in_every_process() -> None:
    assert OwnTransform(own).description == f"{__name__}.own"
    flip = OwnTransform(v2.RandomHorizontalFlip(p=0.25)).description
    assert flip.endswith("RandomHorizontalFlip: RandomHorizontalFlip(p=0.25)")
    assert "\n" not in OwnTransform(v2.Compose(CHAIN)).description
    assert "0x" not in OwnTransform(Chain()).description


def broken(pixels: NDArray[np.uint8]) -> Any:
    raise KeyError("strength")


@pytest.mark.parametrize(
    ("transform", "kind", "message"),
    [
        (broken, LikewiseError, r"transform: KeyError: 'strength' \(given pixels uint8 \[40, 40"),
        (lambda _: None, InputError, "its result for .*0.png: image: NoneType"),
        (lambda pixels: pixels[:3], InputError, "its result for .*0.png: .* 40×3 pixels"),
        (
            lambda pixels: pixels / 127.5 - 1,
            InputError,
            "float pixels from .*; must be from 0 to 1: leave out the normalization",
        ),
    ],
)
def test_a_transform_that_fails_is_one_clear_line(
    transform: Any, kind: type[LikewiseError], message: str, photos: Path
) -> None:
    with pytest.raises(kind, match=message) as caught:
        dataset(photos, transform).batch([(0, 1)])
    assert "\n" not in str(caught.value)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(InputError, match="transform: str; must be a transform of torchvision"):
        OwnTransform("flip")  # type: ignore[arg-type]  # on purpose
