"""The embedder: a backbone with its preprocessing and its operating point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.arguments import check_count
from likewise.data.alignment import warn_of_two_alignments
from likewise.data.embeddings import Embeddings
from likewise.data.formats import read_manifest
from likewise.data.images import BadImage, ImageSource
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.photos import OnBadImage
from likewise.data.preprocess import Preprocess
from likewise.data.repeats import without_repeats
from likewise.distances.similarity import unit
from likewise.machine import pick_device
from likewise.models.calibration import Calibration
from likewise.models.compiled import CompiledForward
from likewise.models.embedded.norms import NormReference
from likewise.models.embedded.rows import EmbeddedRows, collect_rows, named_embeddings
from likewise.models.embedded.sources import sources_of
from likewise.models.fingerprint import CachedFingerprint
from likewise.models.forward_pass import ForwardPass, device_of
from likewise.models.graph.capture import capture_or_warn
from likewise.models.graph.captured import class_name
from likewise.models.inference import embed_batches, forward
from likewise.models.operating_point import OperatingPoint
from likewise.models.registry import Backbone, backbone_of
from likewise.models.saving import write_model
from likewise.progress import progress

__all__ = ["Embedder"]


class Embedder:
    """Turns photos into embeddings: vectors that are close if the photos show the same person.

    Args:
        module: float32 [B,C,H,W] → [B,D].
        preprocess: how a photo becomes the module's input.
        backbone: how to build the module again; None: as ``create_backbone`` built it, and where
            it did not, the network is captured by ``torch.export`` when it is saved.
        operating_point: the threshold for "same person", if one was measured.
        operating_points: the thresholds at each FMR that was measured.
        calibration: the map from score to probability, if it was fitted.
        norms: the lengths of raw embeddings, from which the quality of a photo follows.
        identities: the people the network was trained on, in the order of their labels.
        about: facts for the model card: the data, the recipe, the results.

    Example:
        >>> import likewise
        >>> embedder = likewise.load(model)  # the network is in evaluation mode
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
        norms: NormReference | None = None,
        identities: list[str] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.module = module.eval()
        self.preprocess = preprocess
        self.backbone = backbone or backbone_of(module)
        self.operating_point = operating_point
        self.operating_points = tuple(operating_points or filter(None, [operating_point]))
        self.calibration = calibration
        self.norms = norms
        self.identities = identities
        self.about = about or {}
        self.source_file: Path | None = None  # the ONNX file, which is copied when it is saved
        self.exported_from = ""  # the fingerprint of the network that the file is an export of
        self._own_fingerprint = CachedFingerprint()
        self._compiled = CompiledForward()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return device_of(self.module)

    def to(self, device: str | torch.device) -> Embedder:
        """Move the weights; ``auto`` takes a GPU if there is one."""
        self.module.to(pick_device(str(device)))
        return self

    @property
    def network(self) -> str:
        """The kind of network: the name of the backbone, ``ONNX``, or the name of its class."""
        if self.backbone is not None:
            return self.backbone.name
        return "ONNX" if self.source_file is not None else class_name(self.module)

    @property
    def fingerprint(self) -> str:
        """Vectors of embedders with the same fingerprint can be compared.

        A hash of weights and preprocessing; that of the original, if this is an exact export.
        """
        return self.exported_from or self.own_fingerprint

    @property
    def own_fingerprint(self) -> str:
        """A hash of these very weights, or of this file, and of the preprocessing."""
        # An ONNX file has the same one, whether ONNX Runtime runs it or torch.
        weights = {} if self.source_file is not None else self.module.state_dict()
        return self._own_fingerprint.of(weights, self.preprocess, self.source_file)

    def embed(
        self,
        images: ImageSource | Tensor | Iterable[ImageSource | Tensor] | Any,
        *,
        batch_size: int = 64,
        normalize: bool = True,
        flip: bool = False,
        precision: str = "float32",
        compile: bool = False,
    ) -> NDArray[np.float32]:
        """The embeddings of photos: float32 [N,D], of unit length unless ``normalize`` is False.

        Args:
            images: paths, encoded bytes, PIL images, uint8 arrays [H,W,C] in RGB, or tensors
                [C,H,W] of uint8 or of floats from 0 to 1; or one of them; or a torch ``Dataset`` or
                Hugging Face dataset, whose labels are not looked at.
            batch_size: images at a time.
            normalize: divide each vector by its length.
            flip: add the embedding of the mirrored photo (test-time augmentation, twice the work).
            precision: ``float32``, ``bf16``, ``fp16``, or ``auto``: the fastest of the device.
            compile: with ``torch.compile``: the first batch takes a minute or more.

        Raises:
            BadImage: a photo cannot be used; names it and says why.
            InputError: a tensor is of another shape or type, or the device does not compute in
                this precision.
            LikewiseError: the output of the network is not finite.
        """
        parts = []
        network = self._forward_pass(precision, batch_size, compile=compile)
        for vectors, _, bad in embed_batches(
            network, self.preprocess, sources_of(images), batch_size, flip=flip
        ):
            if bad:
                raise bad[0]
            parts.append((unit(vectors) if normalize else vectors).numpy())
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def embed_manifest(
        self,
        manifest: Manifest | str | Path | Any,
        *,
        batch_size: int = 64,
        flip: bool = False,
        on_bad_image: OnBadImage = "refuse",
        precision: str = "float32",
        compile: bool = False,
    ) -> tuple[Embeddings, list[BadImage]]:
        """The unit-length embeddings of a manifest's photos, with names, and the broken photos.

        A photo that the manifest lists twice is embedded once; see ``without_repeats``.

        Args:
            manifest: the photos, or whatever ``read_manifest`` takes: a folder, a dataset.
            on_bad_image: ``skip`` leaves broken photos out, ``refuse`` raises the first one.
            batch_size, flip, precision, compile: as in ``embed``.

        Raises:
            BadImage: the first broken photo, under ``refuse``.
            InputError: a photo is listed under two identities, or on two sides of a split.
        """
        manifest = without_repeats(read_manifest(manifest))
        embedded = self.embed_rows(
            manifest, slice(0, len(manifest)), batch_size=batch_size, flip=flip,
            on_bad_image=on_bad_image, precision=precision, compile=compile,
        )  # fmt: skip
        return named_embeddings(manifest, embedded, self.fingerprint), embedded.broken

    def embed_rows(
        self,
        manifest: Manifest,
        rows: slice,
        *,
        batch_size: int = 64,
        flip: bool = False,
        on_bad_image: OnBadImage = "refuse",
        precision: str = "float32",
        compile: bool = False,
    ) -> EmbeddedRows:
        """Embed some rows of a manifest.

        Args:
            manifest: the photos.
            rows: which of them.
            batch_size, flip, on_bad_image, precision, compile: as in ``embed_manifest``.

        Raises:
            BadImage: the first broken photo, under ``refuse``.
            InputError: none of the manifest's photos exists.
        """
        require_some_photo(manifest)
        expected = self.preprocess.alignment
        warn_of_two_alignments(expected, manifest.alignment, f"{manifest.root} and the model")
        some = manifest if rows == slice(0, len(manifest)) else manifest.slice(rows)
        batches = embed_batches(
            self._forward_pass(precision, batch_size, compile=compile),
            self.preprocess, some.photos(), batch_size, flip=flip,
        )  # fmt: skip
        with progress("embedding", len(some)) as advance:
            found = collect_rows(
                batches, rows.start, advance, views=2 if flip else 1, on_bad_image=on_bad_image
            )
        if len(found.rows):
            return found
        return found._replace(vectors=np.empty((0, self.dimension), np.float32))

    def embed_pixels(
        self, pixels: Tensor, *, batch_size: int = 64, normalize: bool = True, flip: bool = False
    ) -> NDArray[np.float32]:
        """The embeddings of photos that are already preprocessed to pixels.

        Args:
            pixels: uint8 [N,C,H,W], as ``preprocess.pixels`` gives them.
            batch_size: images at a time.
            normalize: divide each vector by its length.
            flip: add the embedding of the mirrored image.
        """
        parts = []
        for part in pixels.split(batch_size):
            vectors = forward(self.module, self.preprocess, part, flip=flip)
            parts.append((unit(vectors) if normalize else vectors).numpy())
        return np.concatenate(parts)

    def _forward_pass(self, precision: str, batch_size: int, *, compile: bool) -> ForwardPass:
        check_count("batch_size", batch_size)
        compiled = self._compiled if compile else None
        return ForwardPass(self.module, precision, compiled, batch_size)

    @property
    def dimension(self) -> int:
        """D, the numbers in an embedding."""
        if self.backbone is not None:
            return self.backbone.embedding_dim
        size = (self.preprocess.channels, self.preprocess.height, self.preprocess.width)
        blank = torch.zeros(1, *size, dtype=torch.uint8)
        return int(forward(self.module, self.preprocess, blank).shape[1])

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
            "norms": self.norms.to_dict() if self.norms else None,
            "fingerprint": self.own_fingerprint,
            **({"exported_from": self.exported_from} if self.exported_from else {}),
            "about": self.about,
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``config.json``, the weights and ``MODEL_CARD.md`` into ``folder``.

        A network of your own that no factory builds is captured by ``torch.export`` and written
        beside them as plain data. Where it cannot be captured, a warning says why; then ``load``
        needs the network as ``module``.

        The folder holds the old model or the new one at any moment, after a crash too.
        """
        settings, program = self.preprocess, None
        if self.backbone is None and self.source_file is None:
            shape = (settings.channels, settings.height, settings.width)
            program = capture_or_warn(self.module, shape)
        return write_model(
            Path(folder),
            self.config(),
            self.module.state_dict(),
            dimension=self.dimension,
            identities=self.identities,
            onnx=self.source_file,
            program=program,
        )
