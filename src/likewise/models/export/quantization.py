"""Static quantisation to int8: an ONNX graph calibrated on photos, and what it costs.

Weights and activations become int8 between QuantizeLinear and DequantizeLinear (QDQ), with one
scale per channel of the weights. Activations are uint8: ONNX Runtime multiplies uint8 by int8 up to
twice as fast as int8 by int8 on x86. Ranges are the smallest and the largest value seen, which
needs memory for one batch; the methods by histogram keep all activations of all photos.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError, MissingExtra, first_line
from likewise.models.embedder import Embedder
from likewise.models.export.onnx_graph import opset_of
from likewise.models.inference import forward
from likewise.models.onnx.backbone import OnnxBackbone

__all__ = ["LEAST_PHOTOS", "QuantizationLoss", "divide", "loss_of", "quantized", "relative_time"]

LEAST_PHOTOS = 64  # half of them for the ranges of activations, half to measure the loss
CALIBRATION = 256  # photos at most; more change little
HELD_OUT = 1000  # photos at most
BATCH = 16
LEAST_OPSET = 13  # per-channel quantisation needs it
ROUNDS = 7
# Not all that ONNX Runtime can: sums and quotients between int8 layers, such as the contrast
# normalisation of contrastnet, were three times slower in int8, and less exact.
OPERATORS = (
    "Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool", "GlobalAveragePool", "Flatten",
    "Reshape", "Concat",
)  # fmt: skip


@dataclass(frozen=True)
class QuantizationLoss:
    """What quantisation to int8 costs, on photos that it was not calibrated on.

    Args:
        calibration_photos: photos that the ranges of the activations were measured on.
        held_out_photos: other photos, on which the loss was measured.
        median_cosine: between the embeddings by int8 and by float32: the median.
        p5_cosine: the 5th percentile.
        relative_time: time of int8 over that of float32, both in ONNX Runtime on this machine;
            below 1 int8 is faster.
    """

    calibration_photos: int
    held_out_photos: int
    median_cosine: float
    p5_cosine: float
    relative_time: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def divide(manifest: Manifest, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows for calibration, and held-out rows of other identities, drawn at random.

    Identities stay together, so that the held-out photos have genuine pairs.

    Raises:
        InputError: the manifest has fewer than ``LEAST_PHOTOS`` photos.
    """
    count = len(manifest)
    if count < LEAST_PHOTOS:
        raise InputError(
            f"{manifest.root}: holds {count} photos; int8 needs at least {LEAST_PHOTOS}: half to "
            "calibrate, half to measure the loss"
        )
    random = np.random.default_rng(seed)
    if "identity" in manifest.table.column_names:
        labels = np.asarray(manifest.labels, np.int64)
        order = np.lexsort([random.random(count), random.permutation(labels.max() + 1)[labels]])
    else:
        order = random.permutation(count)
    held_out = order[-min(HELD_OUT, count // 2) :]
    rest = random.permutation(order[: count - len(held_out)])
    return np.sort(rest[:CALIBRATION]), np.sort(held_out)


def quantized(model: Any, backbone: OnnxBackbone, inputs: Iterable[Tensor], name: str) -> Any:
    """Quantise a graph.

    Args:
        model: an ``onnx.ModelProto``, with a free batch size.
        backbone: the same network in ONNX Runtime: it knows the form of the input.
        inputs: batches for calibration, float32 [B,C,H,W], normalised.
        name: of the network, for messages.

    Returns:
        The quantised ``onnx.ModelProto``.

    Raises:
        MissingExtra: onnxruntime or onnx is not installed.
        LikewiseError: ONNX Runtime cannot quantise this graph.
    """
    try:
        import onnx
        import onnxruntime
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtra("quantisation to int8", "onnx") from error

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # carries no types
        def __init__(self) -> None:
            self.batches: Iterator[Tensor] = iter(inputs)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {backbone.input_name: backbone.feed(batch)}

    level = logging.root.level
    onnxruntime.set_default_logger_severity(3)  # it warns of each batch
    logging.root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain, fused, small = (Path(folder) / f"{step}.onnx" for step in ("a", "b", "c"))
            if opset_of(model) < LEAST_OPSET:
                model = onnx.version_converter.convert_version(model, LEAST_OPSET)
            onnx.save(model, plain)
            quant_pre_process(str(plain), str(fused), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(fused),
                str(small),
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS),
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
            return onnx.load(small)
    except LikewiseError:
        raise
    except Exception as error:  # its errors have no common class
        raise LikewiseError(
            f"{name}: ONNX Runtime cannot quantise this network ({first_line(error)})"
        ) from None
    finally:
        logging.root.setLevel(level)
        onnxruntime.set_default_logger_severity(2)


def loss_of(
    full: NDArray[np.float32], small: NDArray[np.float32], calibration: int, seconds: float
) -> QuantizationLoss:
    """The loss, from unit-length embeddings [N,D] of the same photos by float32 and by int8.

    Args:
        full: by float32.
        small: by int8.
        calibration: photos that were calibrated on.
        seconds: time of int8 over that of float32.
    """
    cosines = (full * small).sum(axis=1)
    return QuantizationLoss(
        calibration,
        len(cosines),
        float(np.median(cosines)),
        float(np.percentile(cosines, 5)),
        seconds,
    )


def relative_time(small: Embedder, full: OnnxBackbone, preprocess: Preprocess) -> float:
    """The median of time ratios, small over full, on batches in turn.

    Args:
        small: the quantised embedder.
        full: the float32 network in ONNX Runtime.
        preprocess: of the float32 network.
    """
    size = (BATCH, preprocess.channels, preprocess.height, preprocess.width)
    pixels = torch.randint(0, 256, size, dtype=torch.uint8)
    ratios = []
    for number in range(ROUNDS + 1):
        began = time.perf_counter()
        forward(full, preprocess, pixels)
        between = time.perf_counter()
        forward(small.module, small.preprocess, pixels)
        if number:  # the first round warms up
            ratios.append((time.perf_counter() - between) / (between - began))
    return median(ratios)
