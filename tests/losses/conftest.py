"""Fixtures for the tests of the losses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from likewise.losses.registration import ALIASES, REGISTERED


@pytest.fixture
def registry() -> Iterator[None]:
    """Losses registered in a test are removed after it."""
    tables = [(table, dict(table)) for table in (REGISTERED, ALIASES)]
    yield
    for table, before in tables:
        table.clear()
        table.update(before)
