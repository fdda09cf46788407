"""The model or recogniser that a caller names: by a name or path, or one that is made already."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.recognition.recognizer import Recognizer

__all__ = ["embedder_of", "recognizer_of"]


def embedder_of(model: str | Path | Embedder | Recognizer, *, device: str = "cpu") -> Embedder:
    """The model itself, without anything that finds faces; see ``recognizer_of``."""
    if isinstance(model, Recognizer):
        return model.embedder
    if isinstance(model, Embedder):
        return model
    if Path(model).exists():  # its files may change between two calls
        return load(model, device=device)
    return _loaded_embedder(str(model), device)


def recognizer_of(
    model: str | Path | Embedder | Recognizer, *, flip: bool = False, device: str = "cpu"
) -> Recognizer:
    """The recogniser around a model.

    Args:
        model: a name or a path as for ``likewise.load``, an embedder, or a recogniser.
        flip: add the embedding of the mirrored faces.
        device: of a model that is loaded here.

    Raises:
        InputError: there is no such model, or ``flip`` is not that of the recogniser.
        MissingExtra: the extra ``faces`` is not installed.
    """
    if isinstance(model, Recognizer):
        if flip and not model.flip:
            raise InputError("flip: the recogniser was made without it; give it there")
        return model
    if isinstance(model, Embedder) or Path(model).exists():
        return Recognizer(embedder_of(model, device=device), flip=flip)
    return _loaded(str(model), flip, device)


@lru_cache(maxsize=2)
def _loaded_embedder(model: str, device: str) -> Embedder:
    """A ready model: a loop of calls loads it once."""
    return load(model, device=device)


@lru_cache(maxsize=2)
def _loaded(model: str, flip: bool, device: str) -> Recognizer:
    """The recogniser around a ready model."""
    return Recognizer(_loaded_embedder(model, device), flip=flip)
