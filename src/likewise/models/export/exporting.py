"""Export an embedder, compare the result with the original, and write it if they agree."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from likewise.arguments import one_of
from likewise.data.formats import read_manifest
from likewise.data.formats.folder import walk_photos
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.export import parity
from likewise.models.export.files import require_replaceable
from likewise.models.export.quantization import LEAST_PHOTOS, divide
from likewise.models.export.result import Export
from likewise.models.export.to_onnx import write_int8, write_onnx
from likewise.models.export.to_torch import write_torch
from likewise.models.loading import load
from likewise.storage import require_writable

__all__ = ["SUFFIXES", "export", "photos_for"]

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def photos_for(source: str | Path, root: Path | None = None) -> Manifest:
    """Photos to calibrate and to compare on: any that ``read_manifest`` reads, or a plain folder.

    Args:
        source: labeled photos, or a folder whose photos lie directly in it, without identities.
        root: the folder that a table's paths start from.

    Raises:
        InputError: there is no photo.
    """
    folder = Path(source)
    if not folder.is_dir():
        return read_manifest(folder, root)
    chosen = PhotoFilter(folder)
    names = list(walk_photos(folder, chosen))
    if not names or any("/" in name for name in names):
        return read_manifest(folder, root)
    chosen.warn()
    return Manifest(pa.table({"path": names}), folder)


def export(
    model: Embedder | str | Path,
    out: str | Path,
    *,
    to: str = "onnx",
    int8: bool = False,
    photos: Manifest | str | Path | None = None,
    normalize: bool = False,
    preprocess: bool = False,
    seed: int = 0,
) -> Export:
    """Export an embedder to ONNX or to a program of torch, with a free batch size.

    The result is compared with the original on batches of 1, 7 and 64 images, and is not written
    if a number of a unit-length embedding differs by more than 1e-3. ``likewise.load`` opens an
    exported ONNX file: its vectors can be compared with those of the original, and thresholds and
    calibration are kept. An int8 file is another embedder: it has neither until it is calibrated.

    Args:
        model: an embedder, or what ``likewise.load`` takes; an ONNX file is copied with a free
            batch size.
        out: the file to write, ``.onnx`` or ``.pt2``; an earlier export is replaced at once.
        to: ``onnx``, or ``torch`` for a program of ``torch.export``.
        int8: quantise to int8; ONNX only.
        photos: at least 64 for int8, to calibrate and to measure the loss; without int8 they are
            compared too.
        normalize: scale the embeddings to length 1 in the file.
        preprocess: let the file take uint8 [B,H,W,C] in RGB order, and normalise them itself.
        seed: of the images that are compared, and of the choice of photos.

    Raises:
        InputError: an argument is wrong, the network is too large for ONNX, or there are too few
            photos.
        MissingExtra: onnx or onnxruntime is not installed.
        LikewiseError: the network cannot be exported, or its export gives other embeddings;
            nothing is written.

    Example:
        >>> import likewise
        >>> exported = likewise.export(model, out / "model.onnx")
        >>> exported.opset, max(exported.differences.values()) < 1e-5
        (18, True)
        >>> likewise.load(exported.path).fingerprint == likewise.load(model).fingerprint
        True
    """
    one_of("to", to, SUFFIXES)
    out = Path(out)
    if out.suffix != SUFFIXES[to]:
        raise InputError(f"out: {out}: must end in {SUFFIXES[to]}")
    if int8 and to != "onnx":
        raise InputError("int8: is for ONNX only; leave it out, or export to onnx")
    if int8 and photos is None:
        raise InputError(
            f"int8: needs at least {LEAST_PHOTOS} photos to calibrate; name them with --photos DATA"
        )
    manifest = photos_for(photos) if isinstance(photos, str | Path) else photos
    division = divide(manifest, seed) if int8 and manifest is not None else None
    embedder = model if isinstance(model, Embedder) else load(model)
    source = embedder.source_file
    if source is not None and out.exists() and out.samefile(source):
        raise InputError(f"out: {out}: is the file that is exported; choose another name")
    require_writable(out.parent)
    images = parity.check_images(embedder.preprocess, manifest, seed)
    if to == "torch":
        return write_torch(embedder, out, images, normalize=normalize, preprocess=preprocess)
    require_replaceable(out)
    if division is not None and manifest is not None:
        return write_int8(
            embedder, out, images, manifest, division, normalize=normalize, preprocess=preprocess
        )
    return write_onnx(embedder, out, images, normalize=normalize, preprocess=preprocess)
