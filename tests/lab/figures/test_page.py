"""The page shows every committed picture, and its numbers are those under the pictures."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from likewise.losses import list_losses
from likewise.losses.registry import softmax_family

DOCS = Path(__file__).parents[3] / "docs"
PICTURES = DOCS / "images" / "losses"
PAGE = (DOCS / "losses" / "pictures.md").read_text(encoding="utf-8")


def test_every_picture_is_shown() -> None:
    shown = re.findall(r"\(\.\./images/losses/(\w+\.png)\)", PAGE)
    expected = {f"embedding_{name}.png" for name in list_losses()}
    expected |= {f"boundary_{name}.png" for name in softmax_family()} | {"overview.png"}
    assert set(shown) == expected == {path.name for path in PICTURES.glob("*.png")}
    assert len(shown) == len(set(shown))


def test_the_numbers_are_those_of_the_pictures() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.M))
    measured = json.loads((PICTURES / "figures.json").read_text(encoding="utf-8"))
    assert rows == {
        entry["loss"]: f"{math.degrees(entry['within']):.1f}° | "
        f"{math.degrees(entry['between']):.1f}° | {entry['overlap']:.0%}"
        for entry in measured
    }


def test_the_pictures_are_small() -> None:
    sizes = [path.stat().st_size for path in PICTURES.iterdir()]
    assert max(sizes) < 60_000
    assert sum(sizes) < 2_500_000
