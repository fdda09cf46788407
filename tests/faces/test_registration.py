"""Detectors and landmarkers of one's own, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from likewise.errors import InputError
from likewise.faces.detectors.detector import DETECTORS, Detections, register_detector
from likewise.faces.detectors.registry import create_detector, list_detectors
from likewise.faces.finder import FaceFinder
from likewise.faces.landmarks.landmarker import LANDMARKERS, Landmarks, register_landmarker
from likewise.faces.landmarks.registry import create_landmarker, list_landmarkers

PLACES = np.array([(38, 52), (74, 52), (56, 72), (42, 92), (71, 92)], np.float32)


class Corner:
    """Finds a face in the upper left corner of every photo."""

    name = "corner"
    least_score = 0.5

    def __init__(self, score: float = 0.95) -> None:
        self.score = score

    def detect(self, *_: object) -> Detections:
        score = np.array([self.score], np.float32)
        return Detections(np.array([[20, 20, 72, 92]], np.float32), PLACES[None], score)


class Template:
    """Puts the points where a template has them."""

    name = "template"

    def locate(self, _: Image.Image, boxes: NDArray[np.float32], turns: object = None) -> Landmarks:
        assert turns is None or np.ndim(turns) == 1
        count = len(boxes)
        points, ones = np.repeat(PLACES[None], count, 0), np.ones(count, np.float32)
        return Landmarks(points, ones, 0 * ones)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    for registry in (DETECTORS, LANDMARKERS):
        for name in ("corner", "other", "template"):
            registry._kinds.pop(name, None)


def test_own_networks_are_used_by_name() -> None:
    register_detector("corner")(Corner)
    register_landmarker("template")(Template)
    assert "corner" in list_detectors()
    assert "template" in list_landmarkers()
    finder = FaceFinder("corner", "template")
    (face,) = finder.find(Image.new("RGB", (112, 112), (90, 60, 30)))
    assert (face.score, face.turn) == (pytest.approx(0.95), 0.0)
    assert (face.crop[40:80, 40:80] == (90, 60, 30)).all()
    assert finder.alignment == "arcface-112 corner+template"
    assert create_detector("corner", score=0.7).detect(np.zeros((1, 1, 3), np.uint8)).scores < 0.8


def test_names_are_checked() -> None:
    with pytest.raises(InputError, match="did you mean 'yunet'"):
        create_detector("yunett")
    with pytest.raises(InputError, match="landmarker: unknown value 'x'; choose from: onet"):
        create_landmarker("x")
    with pytest.raises(InputError, match=r"must be a name of letters"):
        register_detector("my net")
    with pytest.raises(InputError, match="must be a class with the method detect"):
        register_detector("corner")(Template)
    with pytest.raises(InputError, match="yunet: is already the name of YuNet"):
        register_detector("yunet")(Corner)
    register_detector("corner")(Corner)
    with pytest.raises(InputError, match=r"detector corner: .*unexpected keyword argument 'cats'"):
        create_detector("corner", cats=2)
    register_detector("other")(type("Other", (Corner,), {}))
    with pytest.raises(InputError, match="detector other: its attribute name is 'corner'"):
        create_detector("other")


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (5, "detector: int has no method detect"),
        (type("Mute", (Corner,), {"name": None})(), "detector Mute: its attribute name is None"),
        (type("Lax", (Corner,), {"least_score": None})(), "detector corner: least_score: None"),
    ],
)
def test_an_object_that_is_no_detector_is_refused(detector: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FaceFinder(detector, Template())  # type: ignore[arg-type]  # the fault


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "detector corner: gave NoneType; must give Detections"),
        (([[1, 2, 3]], PLACES[None], [0.9]), r"of the shapes \[1, 3\], \[1, 5, 2\], \[1\]"),
        (([[1, 2, 3, 4]], None, [0.9]), "must give Detections|not finite|shapes"),
        (([[1, 2, 3, 4]], PLACES[None], [0.9, 0.8]), "of the shapes"),
        (([[1, 2, 3, np.nan]], PLACES[None], [0.9]), "gave a number that is not finite"),
    ],
)
def test_what_an_own_detector_gives_is_checked(given: object, message: str) -> None:
    corner = Corner()
    corner.detect = lambda *_: given  # type: ignore[assignment,method-assign,return-value]  # the fault
    with pytest.raises(InputError, match=message):
        FaceFinder(corner, Template()).find(Image.new("RGB", (112, 112)))


@pytest.mark.parametrize("kind", [tuple, list, lambda part: part.astype(np.float64)])
def test_an_own_detector_may_give_lists_and_other_numbers(kind: Callable[..., object]) -> None:
    found, corner = Corner().detect(), Corner()
    corner.detect = lambda *_: tuple(map(kind, found))  # type: ignore[assignment,method-assign,return-value]  # the fault
    finder = FaceFinder(corner, Template())
    assert len(finder.find(Image.new("RGB", (112, 112)))) == 1
    corner.detect = lambda *_: ([], [], [])  # type: ignore[assignment,method-assign,return-value]  # the fault
    assert finder.find(Image.new("RGB", (112, 112))) == []
