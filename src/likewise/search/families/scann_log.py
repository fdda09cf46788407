"""ScaNN's log: it tells every step of a build on stderr, and only errors are for users."""

from __future__ import annotations

import ctypes
from functools import cache

__all__ = ["quiet"]

# The releases of Abseil that a ScaNN may be built with; the date is part of the function's name.
RELEASES = (
    "20230802", "20240116", "20240722", "20250127", "20250512", "20250814", "20260107",
)  # fmt: skip
ERROR = 2


@cache
def quiet() -> bool:
    """Leave ScaNN's errors on stderr and keep the rest away; True if its log obeys.

    No variable of the environment does it, and before Abseil is initialised no threshold of stderr
    counts; so its least level is set, inside ScaNN's own library.
    """
    from scann.scann_ops.py.scann_ops_pybind import scann_pybind

    try:
        library = ctypes.CDLL(scann_pybind.__file__)
    except OSError:  # loaded in a way that cannot be asked again: then it talks
        return False
    for release in RELEASES:
        name = f"_ZN4absl12lts_{release}14SetMinLogLevelENS0_18LogSeverityAtLeastE"
        if hasattr(library, name):
            getattr(library, name)(ctypes.c_int(ERROR))
            return True
    return False
