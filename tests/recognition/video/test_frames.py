"""Frames of a video: which, when, how turned; damage and files that are no video."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.errors import InputError, LikewiseError
from likewise.recognition.video import source as sources
from likewise.recognition.video.frames import Frame, VideoFrames
from likewise.recognition.video.orientation import MIRROR, quarter_turns, turn_upright
from likewise.recognition.video.source import MAX_FRAME_PIXELS, parse_source
from tests.recognition.video.videos import av, corners, quadrants, write_sound, write_video


def counted(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """Grey frames; the level tells the number."""
    return [np.full((height, width, 3), 20 + 4 * n, np.uint8) for n in range(count)]


def read(path: Path | str, **options: object) -> list[Frame]:
    with VideoFrames(path, **options) as frames:  # type: ignore[arg-type]  # of several types
        return list(frames)


def numbers(frames: list[Frame]) -> list[int]:
    """Which of the frames of ``counted`` these are, by their grey."""
    return [round((float(frame.pixels.mean()) - 20) / 4) for frame in frames]


def test_every_nth_frame_with_its_own_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", counted(20))
    found = read(path, every=3)
    assert numbers(found) == [frame.number for frame in found] == list(range(0, 20, 3))
    assert [frame.time for frame in found] == pytest.approx([n / 10 for n in range(0, 20, 3)])


@pytest.mark.parametrize("fps", [0.7, 2, 3, 5, 10, 60])
def test_frames_of_a_second_fall_on_a_grid(tmp_path: Path, fps: float) -> None:
    path = write_video(tmp_path / "a.mkv", counted(40))
    # The first frame at or after each multiple of 1 / fps, in exact fractions.
    wanted, due = [], Fraction(0)
    for number in range(40):
        if Fraction(number, 10) >= due:
            wanted.append(number)
            step = Fraction(fps).limit_denominator(100)
            due = Fraction(int(Fraction(number, 10) * step) + 1) / step
    assert [frame.number for frame in read(path, fps=fps)] == wanted


def test_times_are_those_of_the_file_where_the_rate_varies(tmp_path: Path) -> None:
    times = [0, 0.1, 0.15, 0.9, 1.0, 1.04, 1.5, 3.0, 3.1]
    path = write_video(tmp_path / "a.mp4", counted(9), times=times)
    assert [frame.time for frame in read(path, every=1)] == pytest.approx(times, abs=2e-3)
    assert [frame.time for frame in read(path, fps=2)] == pytest.approx(
        [0, 0.9, 1, 1.5, 3], abs=2e-3
    )


def test_a_start_that_is_not_zero_is_taken_away(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", counted(5), times=[7 + n / 10 for n in range(5)])
    assert [frame.time for frame in read(path, every=1)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def matrix_of(path: Path) -> tuple[float, ...]:
    """The matrix a, b, c, d of the track header, read from the bytes of an MP4 file."""
    content = path.read_bytes()
    start = content.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    a, b, _, c, d, *_ = struct.unpack(">9i", content[start : start + 36])
    return a / 65536, b / 65536, c / 65536, d / 65536


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_a_turned_phone_gives_upright_frames(tmp_path: Path, rotation: int) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants()] * 4, rotation=rotation)
    a, b, c, d = matrix_of(path)
    # The format's own rule: (x, y) is shown at (a x + c y, b x + d y), from the middle.
    shown = {}
    for letter, (x, y) in {"r": (-1, -1), "g": (1, -1), "w": (1, 1), "b": (-1, 1)}.items():
        shown[a * x + c * y, b * x + d * y] = letter
    wanted = "".join(shown[place] for place in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    for frame in read(path, every=1):
        assert corners(frame.pixels) == wanted
        assert frame.pixels.shape == ((64, 96, 3) if rotation % 180 == 0 else (96, 64, 3))


def test_all_eight_orientations() -> None:
    pixels = quadrants()
    height, width = pixels.shape[:2]
    for a, b, c, d in [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),
                       (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]:  # fmt: skip
        matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 14], np.int32)
        matrix[:5] *= 65536
        turns = quarter_turns(matrix.tobytes())
        shown = turn_upright(pixels, turns)
        assert (turns >= MIRROR) == (a * d - b * c < 0)
        wanted = np.zeros_like(shown)
        left, top = (
            min(0, a * (width - 1)) + min(0, c * (height - 1)),
            min(0, b * (width - 1)) + min(0, d * (height - 1)),
        )
        for y in range(height):
            for x in range(width):
                wanted[b * x + d * y - top, a * x + c * y - left] = pixels[y, x]
        assert np.array_equal(shown, wanted)
    assert quarter_turns(None) == quarter_turns(b"short") == 0


def test_frames_are_let_go_without_the_garbage_collector(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", counted(40))
    gc.collect()
    gc.disable()
    try:
        with VideoFrames(path, every=1) as frames:
            for frame in frames:
                if frame.number % 13 != 12:
                    continue
                held = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
                assert held < 20  # those that the decoder has ready
    finally:
        gc.enable()


def test_pixels_that_are_not_square_become_square(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [quadrants()] * 3, aspect=Fraction(4, 3))
    assert {frame.pixels.shape for frame in read(path, every=1)} == {(64, 128, 3)}


def test_damaged_packets_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", counted(40), gop=4)
    with av.open(str(path)) as container:
        keys = [p for p in container.demux(video=0) if p.is_keyframe and p.size]
    content = bytearray(path.read_bytes())
    place, size = keys[4].pos, keys[4].size
    content[place + 8 : place + size] = bytes(size - 8)
    path.write_bytes(content)
    with VideoFrames(path, every=1) as frames:
        found = list(frames)
    assert frames.damaged >= 1
    assert 30 <= len(found) < 40
    assert found[-1].time == pytest.approx(3.9)


def test_a_file_that_is_cut_off_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", counted(56, 320, 240) * 2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoFrames(path, every=1) as frames:
        found = list(frames)
    assert 20 < len(found) < 100
    assert frames.ended_early.startswith("cut off: ends after ")
    path = write_video(tmp_path / "a.mp4", counted(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # its index was at the end
    with pytest.raises(InputError, match=r"a\.mp4: is not a video that can be read, or is cut off"):
        VideoFrames(path)


def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("no video\n" * 100)
    (tmp_path / "text.mp4").write_text("hello" * 1000)
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    write_sound(tmp_path / "sound.wav")
    for name, reason in {
        "empty.mp4": "is an empty file",
        "notes.txt": "is a text file",
        "text.mp4": "is not a video that can be read",
        "photo.jpg": "is a photo, not a video",
        "photo.png": "is a photo, not a video",
        "sound.wav": "has only sound",
        "none.mp4": "no such file",
        ".": "is a folder",
    }.items():
        with pytest.raises(InputError, match=reason) as caught:
            VideoFrames(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value) or name == "."


def test_a_playlist_may_not_read_addresses_or_other_files(tmp_path: Path) -> None:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", "#EXTINF:4,", "http://127.0.0.1:9/a.ts"]
    (tmp_path / "list.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST"]))
    with pytest.raises(InputError, match="is not a video|cut off|no frame|no pictures"):
        read(tmp_path / "list.m3u8")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "bomb.mkv", counted(3, 320, 256), codec="mjpeg")
    content = path.read_bytes()
    side = (20_000).to_bytes(2, "big")
    for before, between in ((b"\xb0\x82", b"\xba\x82"), (b"\xff\xc0\x00\x11\x08", b"")):
        width, height = (320).to_bytes(2, "big"), (256).to_bytes(2, "big")
        if not between:  # a JPEG tells its height first, Matroska its width
            width, height = height, width
        assert before + width + between + height in content
        content = content.replace(before + width + between + height, before + side + between + side)
    path.write_bytes(content)
    assert MAX_FRAME_PIXELS < 20_000**2
    with pytest.raises(InputError, match="megapixels"):
        VideoFrames(path)


def test_a_size_that_grows_midway_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = write_video(tmp_path / "a.ts", counted(5))
    large = write_video(tmp_path / "b.ts", counted(5, 640, 480))
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    shapes = {frame.pixels.shape for frame in read(path, every=1)}
    assert shapes == {(64, 96, 3), (480, 640, 3)}
    monkeypatch.setattr("likewise.recognition.video.source.MAX_FRAME_PIXELS", 100_000)
    with VideoFrames(path, every=1) as frames:
        assert {frame.pixels.shape for frame in frames} == {(64, 96, 3)}
    assert frames.damaged


def test_arguments_are_checked(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", counted(3))
    for options, message in (
        ({"fps": 0}, "fps: 0; must be"),
        ({"every": 0}, "every: 0; must be"),
        ({"fps": 1, "every": 1}, "give one of them"),
        ({"max_seconds": -1}, "max_seconds: -1; must be"),
    ):
        with pytest.raises(InputError, match=message):
            VideoFrames(path, **options)  # type: ignore[arg-type]  # of several types


def test_it_stops_after_some_seconds(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", counted(40))
    with VideoFrames(path, every=1, max_seconds=1) as frames:
        assert frames.expected == 10
        assert [frame.number for frame in frames] == list(range(11))
    assert not frames.ended_early


def test_sources_are_understood() -> None:
    camera = "/dev/video77"
    for source in ("camera:77", camera):
        with pytest.raises(InputError, match="no such camera"):
            parse_source(source)
    with pytest.raises(InputError, match="by its number"):
        parse_source("camera:front")
    assert parse_source("rtsp://door/x").live
    assert not parse_source("http://door/x.mp4").live
    hidden = parse_source("rtsp://anna:secret@door/x")
    assert (hidden.name, hidden.path) == ("rtsp://door/x", "rtsp://anna:secret@door/x")
    assert parse_source("rtsp://anna:p@ss@door/x@y").name == "rtsp://door/x@y"
    with pytest.raises(LikewiseError, match=r"rtsp://127\.0\.0\.1:9/x: cannot be opened: conn"):
        VideoFrames("rtsp://anna:secret@127.0.0.1:9/x")


def test_a_live_source_gives_the_newest_frame_and_ends(tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.ts", counted(50), gop=5).read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection = server.accept()[0]
        with connection:
            connection.sendall(content)  # at once: far faster than the reader

    sender = threading.Thread(target=send)
    sender.start()
    with VideoFrames(f"tcp://127.0.0.1:{server.getsockname()[1]}", every=1) as frames:
        assert frames.live
        found = []
        for frame in frames:
            found.append(frame)
            time.sleep(0.2)
    sender.join()
    server.close()
    assert 1 <= len(found) < 10  # the rest was lost while the reader slept
    assert found[-1].number == frames.decoded - 1 >= 45


@pytest.mark.parametrize("some", [False, True])
def test_a_server_that_stops_answering_is_left(
    some: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PATIENCE", 1.0)
    content = write_video(tmp_path / "a.ts", counted(50), gop=5).read_bytes()
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def send() -> None:
        connection = server.accept()[0]
        with connection:
            connection.recv(4096)
            if some:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + content[: len(content) // 2])
            done.wait(20)

    sender = threading.Thread(target=send)
    sender.start()
    address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
    try:
        if some:
            with VideoFrames(address, every=1) as frames:
                assert list(frames)
            assert frames.decoded > 3  # how many of them are seen depends on the machine
            assert frames.damaged <= 1  # the packet at the end, which is not whole
            assert frames.ended_early.endswith("no answer within 1 seconds")
        else:
            with pytest.raises(LikewiseError, match="opened: no answer within 1 seconds"):
                VideoFrames(address)
    finally:
        done.set()
        sender.join()
        server.close()


def test_the_thread_of_a_live_source_ends_with_it(tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.ts", counted(50)).read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection = server.accept()[0]
        with connection:
            connection.sendall(content)

    threading.Thread(target=send, daemon=True).start()
    address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with VideoFrames(address, every=1) as frames:
        next(iter(frames))
    server.close()
    assert not [t for t in threading.enumerate() if t.name == "likewise-video"]
