"""Licenses of weights: one that forbids commercial use is told when a model is loaded."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import yaml

__all__ = ["CARDS", "license_of_card", "warn_of_license"]

log = logging.getLogger(__name__)

CARDS = ("README.md", "MODEL_CARD.md")
MOST = 2**20  # bytes of a card that are read
RESTRICTED = re.compile(r"non-?commercial|(^|[^a-z])nc([^a-z]|$)|research|^other$", re.IGNORECASE)

_told: set[str] = set()


def license_of_card(folder: Path) -> str | None:
    """The license in the front matter of a model's card; None if no card names one.

    Args:
        folder: with ``README.md`` or ``MODEL_CARD.md``, as on the Hugging Face hub.

    Returns:
        The value of ``license``, with ``license_name`` where it is ``other``.
    """
    for name in CARDS:
        try:
            with (folder / name).open("rb") as stream:
                text = stream.read(MOST).decode("utf-8", "replace")
        except OSError:
            continue
        matter = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
        try:
            values = yaml.safe_load(matter[1]) if matter else None
        except yaml.YAMLError:
            continue
        if not isinstance(values, dict):
            continue
        named = [values.get("license"), values.get("license_name")]
        found = [
            part for value in named for part in (value if isinstance(value, list) else [value])
        ]
        if license := ", ".join(str(part) for part in found if part):
            return license
    return None


def warn_of_license(source: str, license: str | None) -> None:
    """Warn, once for each source, of a license that forbids or may forbid commercial use.

    Args:
        source: the model, as the user names it.
        license: as its publisher gives it; None if unknown.
    """
    if license is None or source in _told:
        return
    if any(RESTRICTED.search(part.strip()) for part in license.split(",")):
        _told.add(source)
        log.warning(
            "%s: the license of its weights (%s) may forbid commercial use; read it first",
            source, license,
        )  # fmt: skip
