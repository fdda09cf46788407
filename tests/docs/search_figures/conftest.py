"""One scene for all tests of the pictures."""

from __future__ import annotations

import pytest
from docs.figures.search.scene import Scene, draw_scene


@pytest.fixture(scope="session")
def scene() -> Scene:
    return draw_scene()
