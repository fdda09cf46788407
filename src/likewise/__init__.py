"""Likewise: learn, measure and search likeness."""

from __future__ import annotations

__version__ = "0.1.0"
