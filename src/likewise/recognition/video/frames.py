"""The frames of a video that are looked at, each with its time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.recognition.video.newest import Newest
from likewise.recognition.video.orientation import quarter_turns, square_pixels, turn_upright
from likewise.recognition.video.source import is_timeout, open_source, parse_source, reason_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.packet import Packet

__all__ = ["Frame", "VideoFrames"]

FPS = 5.0  # frames of a second that are looked at: a face that is there for a blink is seen twice
MOST_FAILURES = 50  # reads in a row that fail before the rest of a file is given up


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Args:
        number: of the decoded frame, from 0.
        time: seconds since the first frame, from the time stamps of the file.
        pixels: uint8 [H,W,3], RGB, upright, with square pixels.
    """

    number: int
    time: float
    pixels: NDArray[np.uint8] = field(repr=False)


class VideoFrames:
    """The frames of a video, one after another; iterate once, and close it.

    Every frame is decoded, since later ones build on it; only those that are looked at are
    converted to RGB. A live source is read by a thread, and the newest frame is taken: what comes
    while the caller works is lost, and the delay does not grow.

    Args:
        source: a path, ``camera:0``, a device such as ``/dev/video0``, or an address (``rtsp://``).
        fps: frames to look at for each second of video.
        every: look at every n-th frame instead.
        max_seconds: stop after so many seconds of video.

    Raises:
        InputError: an argument is wrong; the source is not there, not a video, or too large.
        LikewiseError: a camera or an address does not answer.
        MissingExtra: PyAV is not installed.

    Example:
        >>> with VideoFrames("door.mp4", fps=2) as frames:  # doctest: +SKIP
        ...     for frame in frames:
        ...         print(frame.time, frame.pixels.shape)
    """

    def __init__(
        self,
        source: str | Path,
        *,
        fps: float | None = None,
        every: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        if fps is not None and every is not None:
            raise InputError("fps and every: give one of them")
        self.fps = check_number("fps", FPS if fps is None else fps, above=0, most=1000)
        self.every = None if every is None else check_count("every", every)
        self.max_seconds = (
            None if max_seconds is None else check_number("max_seconds", max_seconds, above=0)
        )
        opened = parse_source(source)
        self._container, self._stream = open_source(opened)
        self.name = opened.name
        self.duration = self._duration()
        self.live = opened.live or (not opened.is_file and self.duration is None)
        self.decoded = self.taken = 0
        self.damaged = 0
        """Packets and frames that could not be decoded."""
        self.seconds = 0.0
        """The time of the last frame that was decoded."""
        self.ended_early: str = ""
        """Why reading ended before the end of the source; empty if it did not."""
        self._clock = _Clock(self._stream.average_rate)
        self._due = 0.0
        self._rotation: int | None = None
        self._turns = 0
        self._newest: Newest[tuple[int, float, VideoFrame]] | None = None

    @property
    def expected(self) -> int | None:
        """About how many frames there are to look at; None if nobody knows."""
        seconds = min(
            (value for value in (self.duration, self.max_seconds) if value is not None),
            default=None,
        )
        if seconds is None:
            return None
        rate = self.fps
        native = float(self._stream.average_rate or 0)
        if self.every is not None:
            rate = (native or 25.0) / self.every
        elif native:
            rate = min(rate, native)
        return max(1, round(seconds * rate))

    def __enter__(self) -> VideoFrames:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file or the camera; a thread that reads from it ends first."""
        if self._newest is not None:
            self._newest.stop()
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        if not self.live:
            yield from map(self._convert, self._wanted())
            return
        self._newest = Newest(self._wanted())
        yield from map(self._convert, self._newest)

    def _wanted(self) -> Iterator[tuple[int, float, VideoFrame]]:
        """The frames to look at, not yet converted."""
        for frame in self._decode():
            number, time = self.decoded, self._clock.time_of(frame.time)
            self.decoded += 1
            if self.max_seconds is not None and time > self.max_seconds:
                return
            self.seconds = time
            if self.every is not None:
                wanted = number % self.every == 0
            else:
                wanted = time >= self._due - 1e-6
                if wanted:  # on a grid, so that no rounding adds up
                    self._due = (np.floor(time * self.fps + 1e-6) + 1) / self.fps
            if wanted:
                yield number, time, frame

    def _decode(self) -> Iterator[VideoFrame]:
        import av

        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.damaged += 1
                else:
                    yield frame
        if not self.decoded:
            raise InputError(
                f"{self.name}: no frame can be decoded "
                f"({self.damaged:,} damaged packets); write the video again"
            )
        if self.duration and self.seconds < 0.9 * self.duration - 1 and not self.ended_early:
            self.ended_early = f"cut off: ends after {self.seconds:.1f} s of {self.duration:.1f} s"

    def _packets(self) -> Iterator[Packet[Any]]:
        """The packets of the stream; a read that fails is tried again, a live source ends."""
        import av

        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
                return
            except av.EOFError:
                return
            except av.FFmpegError as error:
                late = is_timeout(error)
                self.damaged += not late
                failures += 1
                if late or self.live or failures >= MOST_FAILURES:
                    self.ended_early = f"no more frames after {self.seconds:.1f} s: " + reason_of(
                        error
                    )
                    return

    def _convert(self, wanted: tuple[int, float, VideoFrame]) -> Frame:
        number, time, frame = wanted
        self.taken += 1
        stored: Any = frame.to_ndarray(format="rgb24")
        pixels = square_pixels(stored, self._stream.sample_aspect_ratio)
        if frame.rotation != self._rotation:
            # Reading side data ties the frame into a cycle, which keeps its memory: so, seldom.
            matrix: Any = frame.side_data.get("DISPLAYMATRIX")
            self._rotation = frame.rotation
            self._turns = quarter_turns(None if matrix is None else bytes(matrix))
        return Frame(number, time, turn_upright(pixels, self._turns))

    def _duration(self) -> float | None:
        """Seconds, from the stream or from the file; None for a live source."""
        stream, base = self._stream.duration, self._stream.time_base
        if stream and base:
            return float(stream * base)
        whole = self._container.duration  # microseconds
        return whole / 1e6 if whole and whole > 0 else None


class _Clock:
    """Seconds since the first frame; never backwards, also where time stamps jump or lack."""

    def __init__(self, rate: Fraction | None) -> None:
        self._step = 1 / float(rate) if rate else 0.04
        self._offset: float | None = None
        self._last = -self._step

    def time_of(self, stamp: float | None) -> float:
        """The time of the next frame, whose time stamp is in seconds."""
        if stamp is None:
            self._last += self._step
            return self._last
        if self._offset is None:
            self._offset = stamp - (self._last + self._step)
        time = stamp - self._offset
        if time < self._last:  # the time stamps of a stream start again
            self._offset = stamp - (self._last + self._step)
            time = self._last + self._step
        self._last = time
        return time
