"""ScaNN logs every build step on stderr; this lowers its log level to errors."""

from __future__ import annotations

import ctypes
from functools import cache

__all__ = ["quiet"]

# Abseil releases that ScaNN may be built with; the date is part of the C++ symbol name.
RELEASES = (
    "20230802", "20240116", "20240722", "20250127", "20250512", "20250814", "20260107",
)  # fmt: skip
ERROR = 2


@cache
def quiet() -> bool:
    """Let ScaNN log errors only; True if that worked.

    No environment variable controls this, and before Abseil is initialised it ignores its stderr
    threshold. So the minimum log level is set inside ScaNN's own library.
    """
    from scann.scann_ops.py.scann_ops_pybind import scann_pybind

    try:
        library = ctypes.CDLL(scann_pybind.__file__)
    except OSError:  # its shared library cannot be opened a second time
        return False
    for release in RELEASES:
        name = f"_ZN4absl12lts_{release}14SetMinLogLevelENS0_18LogSeverityAtLeastE"
        if hasattr(library, name):
            getattr(library, name)(ctypes.c_int(ERROR))
            return True
    return False
