"""An embedder as an ONNX file, in float32 or in int8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.reader import read_pixels
from likewise.errors import InputError, MissingExtra
from likewise.models.embedder import Embedder
from likewise.models.export import onnx_graph, quantization, tracing
from likewise.models.export.files import new_pair
from likewise.models.export.network import plain_network
from likewise.models.export.parity import largest_differences, require_parity
from likewise.models.export.result import Export
from likewise.models.inference import forward
from likewise.models.onnx.backbone import OnnxBackbone
from likewise.models.onnx.file import LIMIT, read_onnx
from likewise.progress import progress

__all__ = ["write_int8", "write_onnx"]


def write_onnx(
    embedder: Embedder, out: Path, images: list[Tensor], *, normalize: bool, preprocess: bool
) -> Export:
    """Write an embedder in float32, if the file agrees with the original on ``images``.

    Args:
        embedder: of torch, or of an ONNX file.
        out: the file, ``.onnx``.
        images: to compare on, from ``check_images``.
        normalize: scale the embeddings to length 1.
        preprocess: take uint8 [B,H,W,C], and normalise them.

    Raises:
        MissingExtra: onnx or onnxruntime is not installed.
        InputError: the network is too large for an ONNX file.
        LikewiseError: the network cannot be exported, or its export gives other embeddings.
    """
    model, exporter = _graph_of(embedder, preprocess=preprocess)
    with new_pair(out) as (temporary, config):
        _write(model, temporary)
        if normalize or preprocess:
            core = OnnxBackbone(temporary)
            _surround(model, embedder, core, normalize=normalize, preprocess=preprocess)
            _write(model, temporary)
        exported = _reopened(embedder, temporary, preprocess=preprocess)
        differences = _compare(embedder, exported, images)
        exported.exported_from = embedder.fingerprint
        exported.operating_point = embedder.operating_point
        exported.operating_points = embedder.operating_points
        exported.calibration = embedder.calibration
        exported.norms = None if normalize else embedder.norms
        exported.about = {**embedder.about, "Exported from": embedder.network}
        facts = {"exporter": exporter, "largest_difference": max(differences.values())}
        config.update(_config(exported, model, facts, normalize=normalize))
    return _result(exported, out, model, differences, normalize=normalize)


def write_int8(
    embedder: Embedder,
    out: Path,
    images: list[Tensor],
    manifest: Manifest,
    division: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    normalize: bool,
    preprocess: bool,
) -> Export:
    """Write an embedder in int8, and measure what that costs.

    The float32 graph has to agree with the original on ``images`` before it is quantised.

    Args:
        embedder: of torch, or of an ONNX file.
        out: the file, ``.onnx``.
        images: to compare on, from ``check_images``.
        manifest: photos to calibrate and to measure on.
        division: the rows for each, from ``divide``.
        normalize: scale the embeddings to length 1.
        preprocess: take uint8 [B,H,W,C], and normalise them.

    Raises:
        MissingExtra: onnx or onnxruntime is not installed.
        InputError: the network is too large for an ONNX file, or too few photos can be read.
        LikewiseError: the network cannot be exported or quantised.
    """
    model, exporter = _graph_of(embedder, preprocess=preprocess)
    rows, held_out_rows = division
    bad: list[BadImage] = []
    with new_pair(out) as (temporary, config):
        _write(model, temporary)
        full = Embedder(OnnxBackbone(temporary), embedder.preprocess)
        full.source_file = temporary
        full.exported_from = embedder.fingerprint
        differences = _compare(embedder, full, images)
        core = full.module
        assert isinstance(core, OnnxBackbone)
        photos = _batches(embedder, manifest.take(rows), bad)
        model = quantization.quantized(model, core, photos, embedder.network)
        if len(rows) - len(bad) < quantization.LEAST_PHOTOS // 2:
            raise InputError(
                f"{manifest.root}: {len(bad)} of {len(rows)} photos to calibrate on cannot be read "
                f"(the first: {bad[0]}); int8 needs more"
            )
        onnx_graph.strip_traces(model)
        _surround(model, embedder, core, normalize=normalize, preprocess=preprocess)
        _write(model, temporary)
        exported = _reopened(embedder, temporary, preprocess=preprocess)
        others = manifest.take(held_out_rows)
        by_full, _ = full.embed_manifest(others, on_bad_image="skip")
        by_int8, unread = exported.embed_manifest(others, on_bad_image="skip")
        speed = quantization.relative_time(exported, core, embedder.preprocess)
        loss = quantization.loss_of(by_full.vectors, by_int8.vectors, len(rows) - len(bad), speed)
        exported.about = {
            **{key: value for key, value in embedder.about.items() if key == "License"},
            "Quantized from": f"{embedder.network}, fingerprint {embedder.fingerprint}",
            "Cosine to float32": f"median {loss.median_cosine:.4f}, 5th percentile "
            f"{loss.p5_cosine:.4f}, on {loss.held_out_photos:,} other photos",
        }
        facts = {"exporter": exporter, "quantized_from": embedder.fingerprint, **loss.to_dict()}
        config.update(_config(exported, model, facts, normalize=normalize))
    found = _result(exported, out, model, differences, normalize=normalize)
    return replace(
        found, quantization=loss, held_out=(by_full, by_int8), bad_images=(*bad, *unread)
    )


def _graph_of(embedder: Embedder, *, preprocess: bool) -> tuple[Any, str]:
    """The network as a float32 graph with a free batch size, and what exported it."""
    module = embedder.module
    if embedder.source_file is not None:
        if not isinstance(module, OnnxBackbone):  # torch runs the file on another device
            module = OnnxBackbone(embedder.source_file)
        if preprocess and module.takes_pixels:
            raise InputError("preprocess: the ONNX file does its preprocessing already")
        try:
            import onnx
        except ImportError as error:
            raise MissingExtra("export to ONNX", "onnx") from error
        model = onnx.ModelProto.FromString(read_onnx(embedder.source_file))
        onnx_graph.free_batch(model, module.input_name)
        return model, "copy"
    settings = embedder.preprocess
    size = (settings.channels, settings.height, settings.width)
    model, exporter = tracing.to_graph(plain_network(module), size, embedder.network)
    onnx_graph.strip_traces(model)
    return model, exporter


def _write(model: Any, path: Path) -> None:
    size = model.ByteSize()
    if size > LIMIT:
        raise InputError(f"the network takes {size:,} bytes; an ONNX file holds up to {LIMIT:,}")
    path.write_bytes(model.SerializeToString(deterministic=True))


def _surround(
    model: Any, embedder: Embedder, core: OnnxBackbone, *, normalize: bool, preprocess: bool
) -> None:
    """Add the steps that are wished before and after the network."""
    if preprocess:
        onnx_graph.add_preprocessing(
            model, core.input_name, embedder.preprocess, channels_last=core.channels_last
        )
    if normalize:
        onnx_graph.add_unit_length(model)


def _reopened(embedder: Embedder, path: Path, *, preprocess: bool) -> Embedder:
    """The file as ``likewise.load`` will open it, without thresholds."""
    settings = embedder.preprocess
    if preprocess:  # the file takes the pixels as they are
        ones = (1 / 255,) * settings.channels
        settings = replace(settings, mean=(0.0,) * settings.channels, std=ones, order="rgb")
    found = Embedder(OnnxBackbone(path), settings)
    found.source_file = path
    return found


def _compare(embedder: Embedder, exported: Embedder, images: list[Tensor]) -> dict[int, float]:
    differences = largest_differences(
        images,
        partial(forward, embedder.module, embedder.preprocess),
        partial(forward, exported.module, exported.preprocess),
    )
    require_parity(embedder.network, differences)
    return differences


def _batches(embedder: Embedder, manifest: Manifest, bad: list[BadImage]) -> Iterator[Tensor]:
    """The photos as the network takes them; broken ones go to ``bad``."""
    outcomes = read_pixels(manifest.photos(), embedder.preprocess)
    with progress("calibrating", len(manifest)) as advance:
        while batch := list(islice(outcomes, quantization.BATCH)):
            bad.extend(outcome for outcome in batch if isinstance(outcome, BadImage))
            pixels = [outcome for outcome in batch if isinstance(outcome, Tensor)]
            if pixels:
                yield embedder.preprocess.normalise(torch.stack(pixels))
            advance(len(batch))


def _input_of(exported: Embedder) -> tuple[str, str, tuple[str | int, ...]]:
    module, size = exported.module, exported.preprocess
    assert isinstance(module, OnnxBackbone)
    shape: tuple[str | int, ...] = (size.channels, size.height, size.width)
    if module.channels_last:
        shape = (*shape[1:], shape[0])
    return module.input_name, module.number_format, (onnx_graph.BATCH, *shape)


def _config(
    exported: Embedder, model: Any, facts: dict[str, Any], *, normalize: bool
) -> dict[str, Any]:
    name, kind, shape = _input_of(exported)
    return {
        **exported.config(),
        "export": {
            "input": {"name": name, "type": kind, "shape": list(shape)},
            "output": {"name": model.graph.output[0].name, "size": exported.dimension},
            "normalized": normalize,
            "opset": onnx_graph.opset_of(model),
            **facts,
        },
    }


def _result(
    exported: Embedder, out: Path, model: Any, differences: dict[int, float], *, normalize: bool
) -> Export:
    return Export(
        out,
        exported.fingerprint,
        differences,
        _input_of(exported),
        onnx_graph.opset_of(model),
        normalized=normalize,
    )
