"""Benchmarks: ratios against other libraries and against bounds, measured in one run."""

from __future__ import annotations

import os

# Threads that spin while waiting lose whole time slices on a busy machine, which affects short
# operations most. So threads sleep while waiting, on both sides of every ratio. This must be set
# before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
