"""Identification: closed set, open set, MegaFace, templates."""
