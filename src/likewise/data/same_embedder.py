"""Vectors of different embedders are not compared."""

from __future__ import annotations

from likewise.errors import InputError

__all__ = ["require_same_embedder"]


def require_same_embedder(left: str, right: str, what: str) -> None:
    """Refuse to compare vectors of different embedders.

    Raises:
        InputError: the fingerprints differ; names both.
    """
    if left != right:
        raise InputError(
            f"{what}: made by another embedder ({right}) than the one in use ({left}); "
            "embed and build again with one embedder"
        )
