"""Identification: closed set, open set, MegaFace, and pooled templates."""
