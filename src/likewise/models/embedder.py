"""The embedder: a backbone with its preprocessing and its operating point."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from likewise.data.embeddings import Embeddings
from likewise.data.images import BadImage, ImageSource
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.photos import OnBadImage
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.data.repeats import without_repeats
from likewise.data.store import StoredPhoto
from likewise.distances.resolution import all_alike, mean_cosine
from likewise.distances.similarity import unit
from likewise.errors import InputError, LikewiseError
from likewise.machine import pick_device
from likewise.models.calibration import Calibration
from likewise.models.onnx_file import read_onnx
from likewise.models.operating_point import OperatingPoint
from likewise.models.registry import Backbone
from likewise.progress import progress

__all__ = ["BadWeights", "Embedder"]


class BadWeights(LikewiseError):
    """A network answers photos with what has no direction: not finite, or zero."""


log = logging.getLogger(__name__)


class Embedder:
    """Turns photos into embeddings: vectors that lie close where the photos show the same person.

    Args:
        module: float32 [B,C,H,W] → [B,D].
        preprocess: how a photo becomes the module's input.
        backbone: how to build the module again; None for an ONNX file, or a network of your own,
            which ``likewise.load`` is then given as ``module``.
        operating_point: the threshold of "same", where one was measured.
        operating_points: the thresholds at every FMR that was measured.
        calibration: what probability a score stands for, where that was fitted.
        identities: the people it was trained on, in the order of their labels.
        about: what the model card tells: the data, the recipe, the results.

    Example:
        >>> import likewise
        >>> embedder = likewise.load(model)
        >>> embedder.embed([photo_a, photo_b]).shape
        (2, 32)
    """

    def __init__(
        self,
        module: nn.Module,
        preprocess: Preprocess,
        backbone: Backbone | None = None,
        *,
        operating_point: OperatingPoint | None = None,
        operating_points: Sequence[OperatingPoint] = (),
        calibration: Calibration | None = None,
        identities: list[str] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.module = module.eval()
        self.preprocess = preprocess
        self.backbone = backbone
        self.operating_point = operating_point
        self.operating_points = tuple(operating_points or filter(None, [operating_point]))
        self.calibration = calibration
        self.identities = identities
        self.about = about or {}
        self.source_file: Path | None = None  # the ONNX file, which is copied when it is saved
        self._fingerprint = ""
        self._fingerprint_of: list[tuple[int, int]] = []  # the state of the weights that it is of

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def to(self, device: str | torch.device) -> Embedder:
        """Move the weights; ``auto`` takes a GPU where there is one."""
        self.module.to(pick_device(str(device)))
        return self

    @property
    def network(self) -> str:
        """What turns pixels into the embedding: a backbone's name, ``ONNX``, or a class."""
        if self.backbone is not None:
            return self.backbone.name
        return "ONNX" if self.source_file is not None else type(self.module).__qualname__

    @property
    def fingerprint(self) -> str:
        """A hash of weights and preprocessing: where it is equal, so are the vectors.

        Weights that are trained on have another one.
        """
        weights = self.module.state_dict()
        now = [
            (tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
            for tensor in weights.values()
        ]
        if not self._fingerprint or now != self._fingerprint_of:
            digest = hashlib.sha256()
            if self.source_file is not None:
                digest.update(read_onnx(self.source_file))
            for name, tensor in sorted(weights.items()):
                digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
                # As bytes: NumPy knows no bfloat16.
                flat = tensor.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().tobytes())
            digest.update(json.dumps(self.preprocess.to_dict(), sort_keys=True).encode())
            self._fingerprint, self._fingerprint_of = digest.hexdigest()[:16], now
        return self._fingerprint

    def embed(
        self,
        images: ImageSource | Iterable[ImageSource],
        *,
        batch_size: int = 64,
        normalize: bool = True,
        flip: bool = False,
    ) -> NDArray[np.float32]:
        """The embeddings of photos: float32 [N,D], of unit length unless ``normalize`` is False.

        Args:
            images: paths, encoded bytes, PIL images or uint8 arrays [H,W,C] in RGB; or one.
            batch_size: images at a time.
            normalize: divide each vector by its length.
            flip: add the embedding of the mirrored photo (test-time augmentation, twice the work).

        Raises:
            BadImage: a photo cannot be used; names it and says why.
            LikewiseError: the network answers with numbers that are not finite.
        """
        alone = isinstance(images, str | Path | bytes | StoredPhoto | Image.Image) or (
            isinstance(images, np.ndarray) and images.ndim < 4
        )
        sources: Iterable[ImageSource] = [images] if alone else images  # type: ignore[list-item, assignment]  # narrowed by ``alone``
        parts = []
        for vectors, _, bad in self._batches(sources, batch_size, normalize, flip):
            if bad:
                raise bad[0]
            parts.append(vectors)
        if not parts:
            return np.empty((0, self.dimension), np.float32)
        return np.concatenate(parts)

    def embed_manifest(
        self,
        manifest: Manifest,
        *,
        batch_size: int = 64,
        flip: bool = False,
        on_bad_image: OnBadImage = "refuse",
    ) -> tuple[Embeddings, list[BadImage]]:
        """The unit-length embeddings of a manifest's photos, with names, and the broken photos.

        A photo that the manifest lists twice is embedded once, see ``without_repeats``.

        Args:
            manifest: the photos.
            batch_size: images at a time.
            flip: add the embedding of the mirrored photo.
            on_bad_image: ``skip`` leaves a broken photo out, ``refuse`` raises it.

        Raises:
            BadImage: the first broken photo, under ``refuse``.
            InputError: a photo is listed under two identities, or on two sides of a split.
        """
        manifest = without_repeats(manifest)
        embedded = self.embed_rows(
            manifest, slice(0, len(manifest)), batch_size=batch_size, flip=flip,
            on_bad_image=on_bad_image,
        )  # fmt: skip
        return self.embeddings_of(manifest, *embedded)

    def embed_rows(
        self,
        manifest: Manifest,
        rows: slice,
        *,
        batch_size: int = 64,
        flip: bool = False,
        on_bad_image: OnBadImage = "refuse",
    ) -> tuple[NDArray[np.float32], list[int], list[BadImage]]:
        """The unit-length vectors of some of a manifest's rows, the rows they are of, the broken.

        Args:
            manifest: the photos.
            rows: which of them.
            batch_size: images at a time.
            flip: add the embedding of the mirrored photo.
            on_bad_image: ``skip`` leaves a broken photo out, ``refuse`` raises it.

        Raises:
            BadImage: the first broken photo, under ``refuse``.
            InputError: not one of the manifest's photos is there.
        """
        require_some_photo(manifest)
        parts: list[NDArray[np.float32]] = []
        read: list[int] = []
        broken: list[BadImage] = []
        some = manifest if rows == slice(0, len(manifest)) else manifest.slice(rows)
        with progress("embedding", len(some)) as advance:
            for vectors, good, bad in self._batches(some.photos(), batch_size, True, flip):
                if bad and on_bad_image == "refuse":
                    raise bad[0]
                parts.append(vectors)
                read += [rows.start + row for row in good]
                broken += bad
                advance(len(good) + len(bad))
        vectors = np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)
        return vectors, read, broken

    def embeddings_of(
        self,
        manifest: Manifest,
        vectors: NDArray[np.float32],
        rows: Sequence[int] | NDArray[np.int64],
        broken: list[BadImage],
    ) -> tuple[Embeddings, list[BadImage]]:
        """What ``embed_rows`` found, as embeddings with their names, and the broken photos.

        Raises:
            LikewiseError: no photo can be read.
        """
        if not len(rows):
            raise LikewiseError(f"{manifest.root}: none of the {len(manifest)} photos can be read")
        several = "identity" in manifest.table.column_names and len(manifest.identities) > 1
        if several and all_alike(mean_cosine(vectors)):
            log.warning(
                "%s: the model answers all photos alike, closer than float32 can tell apart: it "
                "cannot tell people apart", manifest.root,
            )  # fmt: skip
        items = manifest.take(rows).table if broken else manifest.table
        if manifest.store is not None:  # its place means something to the store alone
            items = items.drop_columns(["place"])
        return Embeddings(vectors, items, self.fingerprint), broken

    def embed_pixels(
        self, pixels: Tensor, *, batch_size: int = 64, flip: bool = False
    ) -> NDArray[np.float32]:
        """The unit-length embeddings of pixels that the preprocessing has already made.

        Args:
            pixels: uint8 [N,C,H,W], as ``preprocess.pixels`` gives them.
            batch_size: images at a time.
            flip: add the embedding of the mirrored image.
        """
        parts = [unit(self._forward(part, flip)).numpy() for part in pixels.split(batch_size)]
        return np.concatenate(parts)

    @property
    def dimension(self) -> int:
        """D, the numbers in an embedding."""
        if self.backbone is not None:
            return self.backbone.embedding_dim
        blank = torch.zeros(1, 3, self.preprocess.height, self.preprocess.width, dtype=torch.uint8)
        return int(self._forward(blank[:, : self.preprocess.channels], False).shape[1])

    def _batches(
        self, sources: Iterable[ImageSource], batch_size: int, normalize: bool, flip: bool
    ) -> Iterator[tuple[NDArray[np.float32], list[int], list[BadImage]]]:
        """Decode ahead in threads while the network works.

        Yields the vectors of a batch, which of the sources they are of, and the broken photos.
        """
        if batch_size < 1:
            raise InputError(f"batch_size: must be at least 1; got {batch_size}")
        outcomes = enumerate(read_pixels(sources, self.preprocess, ahead=2 * batch_size))
        while batch := list(islice(outcomes, batch_size)):
            pixels = {row: outcome for row, outcome in batch if isinstance(outcome, Tensor)}
            bad = [outcome for _, outcome in batch if isinstance(outcome, BadImage)]
            if not pixels:
                yield np.empty((0, self.dimension), np.float32), [], bad
                continue
            vectors = self._forward(torch.stack(list(pixels.values())), flip)
            yield (unit(vectors) if normalize else vectors).numpy(), list(pixels), bad

    def _forward(self, pixels: Tensor, flip: bool) -> Tensor:
        with torch.inference_mode():
            images = self.preprocess.normalise(pixels.to(self.device))
            vectors: Tensor = self.module(images)
            if flip:
                vectors = vectors + self.module(images.flip(-1))
            vectors = vectors.float().cpu()
        if not bool(torch.isfinite(vectors).all()):
            raise BadWeights("embed: the network's answers are not finite; its weights are bad")
        return vectors

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as plain values."""
        return {
            "format": 1,
            "backbone": self.backbone.to_dict() if self.backbone else None,
            "network": self.network,
            "preprocess": self.preprocess.to_dict(),
            "operating_point": self.operating_point.to_dict() if self.operating_point else None,
            "operating_points": [point.to_dict() for point in self.operating_points],
            "calibration": self.calibration.to_dict() if self.calibration else None,
            "fingerprint": self.fingerprint,
            "about": self.about,
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``config.json``, the weights and ``MODEL_CARD.md`` into ``folder``.

        Whoever loads the folder meanwhile, or after a crash, finds the old model or the new one.
        """
        from likewise.models.store import save

        return save(self, Path(folder))
