"""Detectors by name: the decorator that registers one."""

from __future__ import annotations

from likewise.faces.detectors.detector import Detector
from likewise.faces.registration import Registry

__all__ = ["DETECTORS", "register_detector"]

DETECTORS: Registry[Detector] = Registry("detector", "detect", ["least_score"])

register_detector = DETECTORS.register
"""Class decorator: make a face detector known by name to ``create_detector`` and the commands."""
