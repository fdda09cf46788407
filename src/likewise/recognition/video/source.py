"""Where frames come from: a file, a camera, a device or an address, and how it is opened."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from likewise.errors import InputError, LikewiseError, MissingExtra

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.video.stream import VideoStream

__all__ = [
    "MAX_FRAME_PIXELS",
    "VideoSource",
    "is_timeout",
    "open_source",
    "parse_source",
    "reason_of",
]

MAX_FRAME_PIXELS = 40_000_000  # 8K has 33 million; a decoder holds many frames at once
PATIENCE = 15.0  # seconds to wait for a camera or a server: to open, and for each read

_DEVICES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_LIVE = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "tcp", "srt", "mms"})
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")


@dataclass(frozen=True)
class VideoSource:
    """A file, camera or address.

    Args:
        name: as the user wrote it, without a password.
        path: what FFmpeg opens.
        format: the input device of FFmpeg; None to detect the format.
        live: frames come in their own time, and those that are not taken are lost.
    """

    name: str
    path: str
    format: str | None = None
    live: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it is a file of this machine."""
        return self.format is None and _URL.match(self.path) is None


def parse_source(source: str | Path) -> VideoSource:
    """What a user means by ``camera:0``, ``/dev/video0``, ``rtsp://…`` or a path.

    Raises:
        InputError: the camera has no number, or the file does not exist.

    Example:
        >>> from likewise.recognition.video.source import parse_source
        >>> parse_source("rtsp://anna:secret@door/stream").name
        'rtsp://door/stream'
    """
    text = str(source)
    kind, colon, number = text.partition(":")
    if kind == "camera":
        if colon and not number.isdecimal():
            raise InputError(f"{text}: name a camera by its number, like camera:0")
        return _camera(text, number or "0")
    if address := _URL.match(text):
        return VideoSource(
            re.sub(r"://[^/?#]*@", "://", text), text, live=address[1].lower() in _LIVE
        )
    path = Path(source)
    if path.is_char_device():
        return VideoSource(text, text, _DEVICES.get(sys.platform), live=True)
    if text.startswith("/dev/video"):
        raise InputError(_no_camera(text))
    if path.is_dir():
        raise InputError(f"{text}: is a folder; name one video, camera:0 or an address")
    if not path.exists():
        raise InputError(f"{text}: no such file; name a video, camera:0 or an address like rtsp://")
    return VideoSource(text, str(path))


def open_source(source: VideoSource) -> tuple[InputContainer, VideoStream]:
    """The opened source and its video stream, with a decoder that refuses oversized frames.

    Raises:
        InputError: it is not a video, has no pictures, or its frames are too large.
        LikewiseError: a camera or an address does not answer.
        MissingExtra: PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtra("watch", "video") from None

    # A playlist given as a file may not fetch addresses; the probing is bounded like the decoding.
    options = {"max_pixels": str(MAX_FRAME_PIXELS)}
    if source.is_file:
        options["protocol_whitelist"] = "file"
    elif source.path.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # UDP drops packets, which show as grey smears
    try:
        container = av.open(
            source.path,
            format=source.format,
            options=options,
            timeout=None if source.is_file else PATIENCE,
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _cannot_open(source, error) from None
    try:
        stream = _video_stream(source, container)
    except BaseException:
        container.close()
        raise
    return container, stream


def _video_stream(source: VideoSource, container: InputContainer) -> VideoStream:
    from av.stream import Disposition

    # The picture on the cover of a music file is a stream of one frame.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        has = "only sound" if container.streams.audio else "no pictures"
        raise InputError(f"{source.name}: has {has}; name a file with pictures")
    if container.format.name == "tty":  # FFmpeg shows text as on a terminal
        raise InputError(f"{source.name}: is a text file; name a video")
    if container.format.name.endswith("_pipe") or container.format.name == "image2":
        raise InputError(
            f"{source.name}: is a photo, not a video; use: likewise identify or likewise faces"
        )
    stream = streams[0]
    context = stream.codec_context
    if context.width * context.height > MAX_FRAME_PIXELS:
        raise InputError(
            f"{source.name}: frames of {context.width:,} × {context.height:,} pixels; "
            f"at most {MAX_FRAME_PIXELS // 10**6} megapixels can be read"
        )
    if not context.width * context.height:  # FFmpeg hides a size beyond the limit
        raise InputError(
            f"{source.name}: its frames have no size, or more than "
            f"{MAX_FRAME_PIXELS // 10**6} megapixels; write it again at a smaller size"
        )
    context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}  # also if the size changes midway
    stream.thread_type = "AUTO"
    return stream


def _camera(name: str, number: str) -> VideoSource:
    kind = _DEVICES.get(sys.platform)
    if kind is None:
        raise InputError(f"{name}: cameras are not supported on {sys.platform}; give an address")
    if kind == "v4l2":
        path = f"/dev/video{number}"
        if not Path(path).exists():
            raise InputError(_no_camera(name))
        return VideoSource(name, path, kind, live=True)
    return VideoSource(name, number if kind == "avfoundation" else f"video={number}", kind, True)


def _no_camera(name: str) -> str:
    there = sorted(path.name for path in Path("/dev").glob("video*"))
    found = ", ".join(f"camera:{name.removeprefix('video')}" for name in there)
    return f"{name}: no such camera; " + (f"found: {found}" if found else "no camera is connected")


def _cannot_open(source: VideoSource, error: Exception) -> LikewiseError:
    reason = reason_of(error)
    if source.format is not None:
        return LikewiseError(f"{source.name}: the camera cannot be opened: {reason}")
    if not source.is_file:
        return LikewiseError(f"{source.name}: cannot be opened: {reason}")
    if isinstance(error, PermissionError):
        return InputError(f"{source.name}: may not be read; change its permissions")
    if Path(source.path).stat().st_size == 0:
        return InputError(f"{source.name}: is an empty file")
    return InputError(f"{source.name}: is not a video that can be read, or is cut off ({reason})")


def is_timeout(error: Exception) -> bool:
    """Whether FFmpeg was told to stop waiting for a camera or a server."""
    from av.error import ExitError

    return isinstance(error, ExitError)


def reason_of(error: Exception | FFmpegError) -> str:
    """The words of an error of FFmpeg, without its number and the path."""
    if is_timeout(error):
        return f"no answer within {PATIENCE:g} seconds"
    return str(getattr(error, "strerror", None) or error).splitlines()[0].lower()
