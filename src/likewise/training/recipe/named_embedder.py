"""The embedder that a key of the recipe names."""

from __future__ import annotations

from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.loading import load

__all__ = ["load_named"]


def load_named(key: str, source: str) -> Embedder:
    """Load the embedder ``source`` for a key of the recipe.

    Raises:
        InputError: it cannot be loaded; the message begins with the key.
    """
    try:
        return load(source)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
