"""An inspection shows its summary, and its faults become a table."""

from __future__ import annotations

import shutil
from pathlib import Path

import likewise
from likewise.inspection import InspectSettings, inspect_photos
from tests.pages.test_shown import assert_on_a_screen

EXACT = InspectSettings(same_pixels=0.9999)  # the photos of a person differ by noise alone


def test_an_inspection_shows_itself(photos: Path) -> None:
    shutil.copy(photos / "anna" / "0.png", photos / "bob" / "<b>.png")
    (photos / "carl" / "broken.png").write_bytes(b"no photo")
    found = inspect_photos(likewise.read_manifest(photos), settings=EXACT)
    shown = assert_on_a_screen(found)
    assert "bob/<b>.png" in shown.words
    assert repr(found).startswith("Inspection of photos: 14 photos")
    table = found.to_pandas().sort_values("fault", ignore_index=True)
    assert table["fault"].tolist() == ["broken", "duplicate"]
    assert table["path"].tolist() == ["carl/broken.png", "anna/0.png"]
    assert table["other"].tolist()[1] == "bob/<b>.png"
    assert table["identity"].tolist() == ["carl", "anna"]


def test_a_set_without_faults(photos: Path) -> None:
    found = inspect_photos(likewise.read_manifest(photos), settings=EXACT)
    assert len(found.to_pandas()) == 0
    assert "0" in assert_on_a_screen(found).words
