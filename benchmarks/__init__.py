"""Ratios against peers and bounds, measured in one run."""

from __future__ import annotations

import os

# Threads that spin while they wait lose whole time slices to any busy neighbour, and short
# operations lose the most. Both sides of every ratio wait asleep; set before torch starts.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
