"""Landmarkers by name: the decorator that registers one."""

from __future__ import annotations

from likewise.faces.landmarks.landmarker import Landmarker
from likewise.faces.registration import Registry

__all__ = ["LANDMARKERS", "register_landmarker"]

LANDMARKERS: Registry[Landmarker] = Registry("landmarker", "locate")

register_landmarker = LANDMARKERS.register
"""Class decorator: make a network that finds five points known by name."""
