"""The alignment of faces, recorded beside crops: to which template they were moved, and by what.

An alignment is text such as ``arcface-112 yunet+onet``: the template, the side of the crops in
pixels, and what found the points. Crops of two templates are not comparable.
"""

from __future__ import annotations

import json
import logging
import re
from functools import cache
from pathlib import Path
from typing import Any

from likewise.storage import write_json

__all__ = [
    "ALIGNMENT_FILE", "ALIGNMENT_FILES", "alignment_of_crops", "read_alignment", "template_of",
    "warn_of_two_alignments", "write_alignment",
]  # fmt: skip

ALIGNMENT_FILE = "alignment.json"
ALIGNMENT_FILES = frozenset({ALIGNMENT_FILE, "alignment.html", "alignment.csv"})
"""What ``likewise data align`` writes beside the crops."""

FORMAT = "likewise alignment 1"
MOST_BYTES = 2**20
LONGEST = 200
NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")  # of a template; see Preprocess.alignment

log = logging.getLogger(__name__)


def template_of(alignment: str) -> str:
    """The template of an alignment.

    Example:
        >>> template_of("arcface-112 yunet+onet"), template_of("arcface")
        ('arcface', 'arcface')
    """
    name, _, size = alignment.partition(" ")[0].rpartition("-")
    return name if name and size.isdigit() else alignment.partition(" ")[0]


def write_alignment(folder: Path, alignment: str, **facts: Any) -> None:
    """Write ``alignment.json`` into a folder of crops, atomically.

    Args:
        folder: of the crops.
        alignment: see the module.
        facts: what else is known, as JSON: the detector and its weights, counts.
    """
    write_json(folder / ALIGNMENT_FILE, {"format": FORMAT, "alignment": alignment, **facts})


def read_alignment(folder: Path) -> dict[str, Any] | None:
    """The content of ``alignment.json`` in a folder; None if there is none of Likewise."""
    path = folder / ALIGNMENT_FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # the file of another program, perhaps
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return None
    text = value.get("alignment")
    if not isinstance(text, str) or len(text) > LONGEST or not text.isprintable():
        return None
    return value if NAME.fullmatch(template_of(text)) else None


def alignment_of_crops(source: Path, root: Path) -> str | None:
    """The alignment recorded beside photos; None if none is.

    Args:
        source: as it was named: a folder, a table, a container.
        root: of the manifest that was read from it.
    """
    folders = [place if place.is_dir() else place.parent for place in (root, source)]
    if source.is_file() and root.is_dir():
        folders = [root]  # a table: its photos lie elsewhere
    for folder in dict.fromkeys(folders):
        found = read_alignment(folder)
        if found is not None:
            return str(found["alignment"])
    return None


def warn_of_two_alignments(known: str | None, other: str | None, what: str) -> None:
    """Log a warning, once, if two alignments are of different templates; None is not known.

    Args:
        known: an alignment, or the template that a model expects.
        other: the alignment that meets it.
        what: where they meet, such as ``photos/: the model expects``.
    """
    if known is None or other is None or template_of(known) == template_of(other):
        return
    _warn_once(f"{what}: faces aligned to {template_of(known)!r} and to {template_of(other)!r} "
               "(see alignment.json) are not comparable; align both to one template: "
               "likewise data align")  # fmt: skip


@cache
def _warn_once(message: str) -> None:
    log.warning("%s", message)
