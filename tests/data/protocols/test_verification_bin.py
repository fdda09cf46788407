"""InsightFace's ``.bin`` sets: golden files, what Python writes, and what nobody should send."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from likewise.data.formats import read_manifest
from likewise.data.pairs import Pairs
from likewise.data.protocols import read_pairs
from likewise.data.protocols.verification_bin import pack_pairs, read_bin, write_bin
from likewise.errors import InputError
from tests.conftest import draw_person
from tests.data.protocols.hostile import SEEDS, cut_short_everywhere, damaged, fuzz, survives


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    draw_person(seed, 0, 16).save(stream, "JPEG")
    return stream.getvalue()


IMAGES = [jpeg(n) for n in range(4)]
SAME = [True, False]


def read_all(path: Path) -> list[bytes]:
    return [photo.read() for photo in read_bin(path).photos.photos()]


@pytest.mark.parametrize("name", ["pairs_protocol2.bin", "pairs_protocol4.bin", "pairs_numpy.bin"])
def test_golden_files(name: str, shared_data: Path) -> None:
    golden = shared_data / "formats" / name
    wanted = json.loads((shared_data / "formats" / "pairs.json").read_text())
    found = read_bin(golden)
    assert found.pairs.same.tolist() == wanted["issame"]
    assert [hashlib.sha256(image).hexdigest() for image in read_all(golden)] == wanted["sha256"]
    assert (
        found.photos.fingerprint == read_bin(golden.with_name("pairs_numpy.bin")).photos.fingerprint
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["bytes", "array", "bytearray"])
def test_whatever_python_writes_is_read(protocol: int, kind: str, tmp_path: Path) -> None:
    images: list[Any] = list(IMAGES)
    if kind == "array":
        images = [np.frombuffer(image, np.uint8) for image in IMAGES]
    elif kind == "bytearray":
        if protocol < 5:
            pytest.skip("before protocol 5 a bytearray is a call of builtins.bytearray")
        images = [bytearray(image) for image in IMAGES]
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps((images, SAME), protocol))
    assert read_all(path) == IMAGES
    assert read_bin(path).pairs.same.tolist() == SAME


def python2_string(content: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(content)) + content


def test_sets_written_by_python_2(tmp_path: Path) -> None:
    """Its ``str`` is bytes: plain, and as the state of an array, whose type it names as well."""
    plain = b"\x80\x02](" + b"".join(map(python2_string, IMAGES)) + b"e](\x88\x89e\x86."
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01\x8a\x02%s\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89%stb"
    )
    arrays = b"".join(array % (struct.pack("<h", len(i)), python2_string(i)) for i in IMAGES)
    for content in (plain, b"\x80\x02](" + arrays + b"e](\x88\x89e\x86."):
        (images, same) = pickle.loads(content, encoding="bytes")  # InsightFace's own way
        assert [bytes(image) for image in images] == IMAGES
        (tmp_path / "set.bin").write_bytes(content)
        assert read_all(tmp_path / "set.bin") == IMAGES
        assert read_bin(tmp_path / "set.bin").pairs.same.tolist() == same


def test_written_sets_are_what_pickle_reads(tmp_path: Path) -> None:
    images = [bytes([n % 251]) * (n % 7 + 1) for n in range(5002)]  # past a batch
    same = np.arange(2501) % 3 == 0
    write_bin(tmp_path / "set.bin", iter(images), same)
    with (tmp_path / "set.bin").open("rb") as stream:
        bins, issame = pickle.load(stream, encoding="bytes")
    assert bins == images
    assert issame == same.tolist()
    assert read_all(tmp_path / "set.bin") == images


def test_folds_are_insightfaces(tmp_path: Path) -> None:
    from sklearn.model_selection import KFold

    write_bin(tmp_path / "set.bin", [b"x"] * 46, [True] * 23)
    found = read_bin(tmp_path / "set.bin").pairs
    for number, (_, test) in enumerate(KFold(10, shuffle=False).split(np.zeros(23))):
        assert np.flatnonzero(found.fold == number).tolist() == test.tolist()


def test_pairs_and_photos_are_packed_fold_by_fold(photos: Path, tmp_path: Path) -> None:
    pairs = Pairs(
        ["anna/0", "bob/1"], ["anna/1", "carl/2"], np.array([True, False]), np.array([1, 0])
    )
    pack_pairs(tmp_path / "set.bin", pairs, read_manifest(photos))
    names = ["bob/1", "carl/2", "anna/0", "anna/1"]
    assert read_all(tmp_path / "set.bin") == [(photos / f"{n}.png").read_bytes() for n in names]
    found = read_pairs(tmp_path / "set.bin")
    assert found.same.tolist() == [False, True]
    again = Pairs(found.left, found.right, found.same, found.fold)
    pack_pairs(tmp_path / "again.bin", again, read_manifest(tmp_path / "set.bin"))
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "set.bin").read_bytes()
    absent = Pairs(["anna/0", "bob/1"], ["anna/1", "zoe/2"], pairs.same, pairs.fold)
    with pytest.raises(InputError, match="1 photos of the pairs are missing; the first is 'zoe/2'"):
        pack_pairs(tmp_path / "set.bin", absent, read_manifest(photos))


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    for images, same, problem in (
        ([b"x"], [True], "1 for 1 pairs"),
        ([b"x", b""], [True], "number 1: must be bytes of a photo"),
        ([], [], "expected"),
        ([b"x", b"y"], [2], "expected"),
    ):
        with pytest.raises(InputError, match=problem):
            write_bin(path, images, same)
    assert not list(tmp_path.iterdir())


def test_a_set_says_not_whom_it_shows(tmp_path: Path) -> None:
    write_bin(tmp_path / "set.bin", IMAGES, SAME)
    manifest = read_manifest(tmp_path / "set.bin")
    assert manifest.names == ["000000.jpg", "000001.jpg", "000002.jpg", "000003.jpg"]
    assert Image.open(io.BytesIO(manifest.photo(2).read())).size == (16, 16)
    for ask in (lambda: manifest.identities, lambda: manifest.labels):
        with pytest.raises(InputError, match="its photos have no identities"):
            ask()
    write_bin(tmp_path / "other.bin", [*IMAGES[:3], b"another"], SAME)
    assert manifest.fingerprint != read_manifest(tmp_path / "other.bin").fingerprint
    again = pickle.loads(pickle.dumps(manifest.store))
    assert again.read(1) == IMAGES[1]


class Calls:
    """Pickles as a call, as hostile pickles do."""

    def __init__(self, called: Any, *given: Any) -> None:
        self.called, self.given = called, given

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.called, self.given


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Calls(os.system, "touch {mark}"), f"{os.name}.system"),
        (Calls(eval, "open('{mark}', 'w')"), r"(builtins|__builtin__).eval"),
        (Calls(getattr, Calls(getattr, b"", "hex"), "__call__"), r"(builtins|__builtin__).getattr"),
        (Calls(__import__, "os"), r"(builtins|__builtin__).__import__"),
        (Calls(np.load, "{mark}"), "numpy.load"),
        (Calls(bytes, 10**12), r"(builtins|__builtin__).bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_code_is_refused_by_name(value: Any, name: str, protocol: int, tmp_path: Path) -> None:
    if isinstance(value.given[0], str):
        value = Calls(value.called, value.given[0].replace("{mark}", str(tmp_path / "mark")))
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(([value, IMAGES[0]], [True]), protocol))
    with pytest.raises(InputError, match=rf"set\.bin: byte \d+: pickle asks for {name}: refused"):
        read_bin(path)
    assert not (tmp_path / "mark").exists()


HEAD = b"\x80\x04"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a pickle"),
        (b"\x00\x02\x00\x00\x01\x00\x00\x00", "is not a pickle"),  # a feature matrix
        (b"(ios\nsystem\n.", "is not a pickle"),
        (b"\x80\x02(X\x02\x00\x00\x00idios\nsystem\n.", "asks for os.system"),
        (b"\x80\x02cos\nsystem\n.", "asks for os.system"),
        (b"\x80\x02c_codecs\nencode.__globals__\n.", "encode.__globals__: refused"),
        (b"\x80\x02c" + b"a" * 300 + b"\nb\n.", "a line of more than 256 bytes"),
        (HEAD + b"\x8c\x07_codecs\x8c\x06lookup\x93.", "_codecs.lookup: refused"),
        (HEAD + b"K\x01\x85)\x81.", "opcode NEWOBJ"),
        (HEAD + b"}.", "opcode EMPTY_DICT"),
        (HEAD + b"\x82\x01.", "opcode EXT1"),
        (HEAD + b"U\x01aQ.", "opcode BINPERSID"),
        (HEAD + b"\xfe.", "unknown opcode 0xfe"),
        (b"\x80\x09N.", "protocol 9"),
        (HEAD + b"]B\xff\xff\xff\x7fabc", "claims 2147483647 bytes, but 3 are left"),
        (HEAD + b"\x8e" + b"\xff" * 8 + b"abc", "claims 18446744073709551615 bytes"),
        (HEAD + b"\x96" + b"\xff" * 7 + b"\x7fabc", "claims"),
        (b"\x80\x02T\xff\xff\xff\xffabc", "claims -1 bytes"),
        (HEAD + b"\x95" + b"\xff" * 8 + b"N.", "a frame of"),
        (HEAD + b"\x8a\xff" + b"\x01" * 255 + b".", "more than 64 bits"),
        (HEAD + b"\x8b\x00\x00\x00\x7f", "opcode LONG4"),
        (HEAD + b"j\xff\xff\xff\xff.", "refers to a value 4294967295"),
        (HEAD + b"r\xff\xff\xff\xff.", "empty stack"),
        (HEAD + b"NN.", "ends too early"),
        (HEAD + b"(N.", "ends too early"),
        (HEAD + b"t.", "no mark"),
        (HEAD + b"N(Ne.", "expected a list"),
        (HEAD + b"N.", "not a validation set"),
        (HEAD + b"]]\x86.", "0 images for 0 pairs"),
        (HEAD + b"](C\x01aC\x01be](\x88\x88e\x86.", "2 images for 2 pairs"),
        (HEAD + b"](C\x01aC\x01be](K\x02e\x86.", "pair 0: expected True or False"),
        (HEAD + b"](C\x01aC\x01be](Ne\x86.", "pair 0: expected True or False"),
        (HEAD + b"](C\x01aC\x00e](\x88e\x86.", "image 1: 0 bytes; must be from 1 to"),
        (HEAD + b"](C\x01aNe](\x88e\x86.", "image 1: expected bytes"),
        (HEAD + b"](C\x01aX\x01\x00\x00\x00be](\x88e\x86.", "image 1: expected bytes"),
        (HEAD + b"]q\x00(C\x01ah\x00e](\x88e\x86.", "image 1: expected bytes"),  # itself
    ],
)  # fmt: skip
def test_hostile_pickles(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "set.bin").write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_bin(tmp_path / "set.bin")
    assert "set.bin" in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, np.float64), np.array([object()]), np.zeros((2, 2, 3), np.uint8),
        np.zeros(3, "datetime64[s]"), np.zeros(2, [("a", "u1"), ("b", "u1")]), np.uint8(3),
    ],
    ids=["float", "object", "three axes", "time", "record", "scalar"],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_other_arrays_are_refused(array: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    try:
        path.write_bytes(pickle.dumps(([array, array], [True]), protocol))
    except (TypeError, AttributeError):
        path.write_bytes(pickle.dumps(([array.astype("f8"), array.astype("f8")], [True]), protocol))
    with pytest.raises(InputError):
        read_bin(path)


def test_an_array_may_not_lie_about_its_size(tmp_path: Path) -> None:
    content = pickle.dumps(([np.frombuffer(b"abcde", np.uint8)] * 2, [True]), 4)
    (tmp_path / "set.bin").write_bytes(content.replace(b"K\x01K\x05\x85", b"K\x01K\xff\x85"))
    with pytest.raises(InputError, match="image 0: 255 numbers in 5 bytes"):
        read_bin(tmp_path / "set.bin")


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Tuples of tuples, a memo with keys to the last, marks and lists without end."""
    laughs = (
        HEAD
        + b")"
        + b"".join(b"\x94" + b"h" + bytes([n % 256]) + b"\x86" for n in range(200))
        + b"."
    )
    deep = HEAD + b"]" + b"\x85" * 40_000 + b"."
    marks = HEAD + b"(" * 40_000
    keys = HEAD + b"N" + b"".join(b"r" + struct.pack("<I", 2**32 - 1 - n) for n in range(20_000))
    for content in (laughs, deep, marks, keys):
        tracemalloc.start()
        assert not survives(read_bin, tmp_path / "set.bin", content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 300 * len(content) + 2**20


def test_more_steps_than_any_set_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likewise.data.protocols.pickle_walk.MAX_STEPS", 10)
    write_bin(tmp_path / "set.bin", IMAGES, SAME)
    with pytest.raises(InputError, match="more than 10 steps"):
        read_bin(tmp_path / "set.bin")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cut_short_at_every_byte(protocol: int, tmp_path: Path) -> None:
    arrays = [np.frombuffer(image[:40], np.uint8) for image in IMAGES]
    for images in (arrays, [image[:40] for image in IMAGES]):
        content = pickle.dumps((images, SAME), protocol)
        assert cut_short_everywhere(read_all, tmp_path / "set.bin", content) == 0


def test_text_that_is_no_latin_1(tmp_path: Path) -> None:
    good = pickle.dumps(([b"\xe9\xe8", b"ab"], [True]), 2)
    for bad in ("€".encode(), b"\xc3\xc3\xc3"):
        content = good.replace("éè".encode(), bad).replace(b"X\x04\0\0\0", b"X\x03\0\0\0")
        assert not survives(read_all, tmp_path / "set.bin", content)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_sets(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    arrays = [np.frombuffer(image, np.uint8) for image in IMAGES]
    content = pickle.dumps(([IMAGES, arrays][seed % 2], SAME), 2 + seed % 4)
    survives(read_all, tmp_path / "set.bin", damaged(content, random))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_ten_thousand_damaged_sets(protocol: int, tmp_path: Path) -> None:
    short = [np.frombuffer(image[:20], np.uint8) for image in IMAGES]
    content = pickle.dumps((short, SAME), protocol)
    fuzz(read_all, tmp_path / "set.bin", content, 10_000)
    content = pickle.dumps(([image[:20] for image in IMAGES], SAME), protocol)
    fuzz(read_all, tmp_path / "set.bin", content, 10_000)
