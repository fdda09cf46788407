"""Videos made for the tests: frames in, a file out, by PyAV's mpeg4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

av = pytest.importorskip("av", reason="the extra video is not installed")


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float = 10,
    times: Sequence[float] | None = None,
    rotation: int | None = None,
    aspect: Fraction | None = None,
    gop: int = 12,
    codec: str = "mpeg4",
) -> Path:
    """Write RGB frames [H,W,3]; ``times`` are their seconds, for a variable frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=round(fps))
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = gop
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (number / fps if times is None else times[number]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def quadrants(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """A picture that shows how it is turned: red, green, blue and white corners."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 255)
    return pixels


def corners(pixels: NDArray[np.uint8]) -> str:
    """The colours of the corners, clockwise from the upper left one, as letters."""
    height, width = pixels.shape[:2]
    letters = ""
    for y, x in ((0.2, 0.2), (0.2, 0.8), (0.8, 0.8), (0.8, 0.2)):
        red, green, blue = pixels[int(y * height), int(x * width)] > 128
        letters += {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b"}.get((red, green, blue), "w")
    return letters


def write_sound(path: Path) -> Path:
    """A second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
