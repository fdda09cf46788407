"""Parse a pickle without executing it: plain values are returned, anything else is refused.

Python's unpickler calls any function that the file names. This parser calls nothing: it interprets
the few opcodes that lists of images consist of on a stack of inert values. The bytes of images are
not read, only located in the file.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from likewise.data.protocols.file_cursor import LINE_LIMIT, FileCursor
from likewise.data.protocols.pickle_values import Pixels, Stored

__all__ = ["walk_pickle"]

MAX_STEPS = 4_000_000  # opcodes; 100,000 pairs need a fifth of them in the longest encoding
SHORT = 64  # texts up to this size are read: names of codecs, modules and types

RECONSTRUCT = {f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")}
FROM_BUFFER = {f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")}
ADMITTED = {"_codecs.encode", "numpy.ndarray", "numpy.dtype"} | RECONSTRUCT | FROM_BUFFER
OPCODES = {opcode.code.encode("latin1")[0]: opcode.name for opcode in pickletools.opcodes}


@dataclass(frozen=True, slots=True)
class _Name:
    full: str


class _Uint8:
    """The only data type that an array may have."""


UINT8 = _Uint8()
WANTED = {list: "a list", tuple: "a tuple", Stored: "text", _Name: "something to call"}


def walk_pickle(path: Path) -> Any:
    """The value of a pickle of protocol 2 to 5; none of its code runs.

    Returns:
        Lists, tuples, integers, booleans, None, ``Stored`` bytes and texts, ``Pixels``.

    Raises:
        InputError: it is damaged, or calls anything but ``_codecs.encode`` to Latin-1 and NumPy's
            reconstruction of uint8 arrays; names the byte and the call.
    """
    return _Walk(path).value()


class _Walk:
    def __init__(self, path: Path) -> None:
        self.cursor = FileCursor(path)
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def value(self) -> Any:
        cursor = self.cursor
        if cursor.file.size < 2 or cursor.take(1) != b"\x80":
            raise cursor.fail("is not a pickle of protocol 2 or later")
        cursor.place = 0
        for _ in range(MAX_STEPS):
            code = cursor.take(1)[0]
            if code == 0x2E:  # STOP
                if self.marked or len(self.stack) != 1:
                    raise cursor.fail("the pickle ends too early: it is damaged")
                return self.stack[0]
            step = STEPS.get(code)
            if step is None:
                raise cursor.fail(
                    f"pickle asks for {self._meaning(code)}, which no set of images needs: refused"
                )
            step(self)
        raise cursor.fail(f"more than {MAX_STEPS:,} steps: no set of images is so large")

    def _meaning(self, code: int) -> str:
        if code == 0x69:  # INST names a callable, as GLOBAL does
            return _shown(f"{self.cursor.line()}.{self.cursor.line()}")
        return f"opcode {OPCODES[code]}" if code in OPCODES else f"unknown opcode 0x{code:02x}"

    def pop(self, kind: type[Any] = object) -> Any:
        if not self.stack:
            raise self.cursor.fail("takes a value from an empty stack: the pickle is damaged")
        value = self.stack.pop()
        if not isinstance(value, kind):
            raise self.cursor.fail(f"expected {WANTED[kind]}: the pickle is damaged")
        return value

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.cursor.take(struct.calcsize(form)))[0]
        return value

    def proto(self) -> None:
        version = self.cursor.take(1)[0]
        if not 2 <= version <= 5:
            raise self.cursor.fail(f"pickle protocol {version}; 2 to 5 are read")

    def frame(self) -> None:
        size, left = self.number("<Q"), self.cursor.file.size - self.cursor.place
        if size > left:
            raise self.cursor.fail(f"a frame of {size} bytes, but {left} are left: cut short")

    def stored(self, form: str, coding: Literal["bytes", "text"]) -> None:
        size = self.number(form)
        if coding == "text" and size <= SHORT:
            short = self.cursor.take(size)
            self.stack.append(Stored(self.cursor.place - size, size, coding, short))
        else:
            self.stack.append(Stored(self.cursor.skip(size), size, coding))

    def latin_string(self, form: str) -> None:
        """A ``str`` of Python 2: bytes, which name types as well."""
        size = self.number(form)
        offset = self.cursor.skip(size)
        short = b""
        if 0 < size <= SHORT:
            self.cursor.place = offset
            short = self.cursor.take(size)
        self.stack.append(Stored(offset, size, "bytes", short))

    def long(self) -> None:
        size = self.cursor.take(1)[0]
        if size > 8:
            raise self.cursor.fail("an integer of more than 64 bits: refused")
        self.stack.append(int.from_bytes(self.cursor.take(size), "little", signed=True))

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        if not self.marked:
            raise self.cursor.fail("no mark to go back to: the pickle is damaged")
        values, self.stack = self.stack, self.marked.pop()
        return values

    def list_since_mark(self) -> None:
        values = self.since_mark()
        self.stack.append(values)

    def tuple_since_mark(self) -> None:
        values = self.since_mark()
        self.stack.append(tuple(values))

    def appends(self) -> None:
        values = self.since_mark()
        target = self.pop(list)
        target.extend(values)
        self.stack.append(target)

    def append(self) -> None:
        value, target = self.pop(), self.pop(list)
        target.append(value)
        self.stack.append(target)

    def tuple_of(self, count: int) -> None:
        values = tuple(self.pop() for _ in range(count))
        self.stack.append(values[::-1])

    def put(self, key: int) -> None:
        value = self.pop()
        self.memo[key] = value
        self.stack.append(value)

    def get(self, key: int) -> None:
        if key not in self.memo:
            raise self.cursor.fail(f"refers to a value {key} that was never stored: it is damaged")
        self.stack.append(self.memo[key])

    def admit(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        if full not in ADMITTED:
            raise self.cursor.fail(f"pickle asks for {_shown(full)}: refused")
        self.stack.append(_Name(full))

    def stack_global(self) -> None:
        name, module = self.pop(Stored), self.pop(Stored)
        self.admit(*(self._short_text(part) for part in (module, name)))

    def _short_text(self, text: Stored) -> str:
        if text.coding != "text" or text.size > LINE_LIMIT:
            raise self.cursor.fail("a name that is not a short text: refused")
        content = text.short or self.cursor.file.read(text.offset, text.size)
        return content.decode("utf-8", "replace")

    def reduce(self) -> None:
        given, called = self.pop(tuple), self.pop(_Name)
        self.stack.append(self._inert(called.full, given))

    def _inert(self, called: str, given: tuple[Any, ...]) -> Any:
        """The result of an allowed call, as an inert value."""
        if called == "_codecs.encode":
            match given:
                case (Stored(coding="text") as text, Stored(short=b"latin1" | b"latin-1")):
                    return Stored(text.offset, text.size, "latin1")
        elif called == "numpy.dtype":
            match given:
                case (Stored(short=kind), *_):
                    if kind in (b"u1", b"|u1", b"B", b"uint8"):
                        return UINT8
                    shown = kind.decode("utf-8", "replace")
                    raise self.cursor.fail(f"an array of {shown!r}; images are uint8: refused")
        elif called in RECONSTRUCT:
            match given:
                case (_Name(full="numpy.ndarray"), tuple(), _):
                    return Pixels()
        elif called in FROM_BUFFER:
            match given:
                case (Stored() as data, _Uint8(), tuple() as shape, _):
                    return Pixels(shape, data)
        raise self.cursor.fail(f"pickle calls {called} with other than an image: refused")

    def build(self) -> None:
        """Set the state of an array (version, shape, type, order, bytes) or of its type."""
        state, target = self.pop(tuple), self.pop()
        self.stack.append(target)
        match target, state:
            case Pixels(data=None), (int(), tuple() as shape, _Uint8(), _, Stored() as data):
                target.shape, target.data = shape, data
            case _Uint8(), _:  # its byte order, irrelevant for bytes
                pass
            case _:
                raise self.cursor.fail("sets a state that is not a uint8 array's: refused")


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)


STEPS: dict[int, Callable[[_Walk], None]] = {
    ord(code): step
    for code, step in {
        "\x80": _Walk.proto,
        "\x95": _Walk.frame,
        "(": _Walk.mark,
        "]": lambda w: w.stack.append([]),
        ")": lambda w: w.stack.append(()),
        "N": lambda w: w.stack.append(None),
        "\x88": lambda w: w.stack.append(True),
        "\x89": lambda w: w.stack.append(False),
        "J": lambda w: w.stack.append(w.number("<i")),
        "K": lambda w: w.stack.append(w.number("<B")),
        "M": lambda w: w.stack.append(w.number("<H")),
        "\x8a": _Walk.long,
        "X": lambda w: w.stored("<I", "text"),
        "\x8c": lambda w: w.stored("<B", "text"),
        "\x8d": lambda w: w.stored("<Q", "text"),
        "B": lambda w: w.stored("<I", "bytes"),
        "C": lambda w: w.stored("<B", "bytes"),
        "\x8e": lambda w: w.stored("<Q", "bytes"),
        "\x96": lambda w: w.stored("<Q", "bytes"),
        "T": lambda w: w.latin_string("<i"),
        "U": lambda w: w.latin_string("<B"),
        "a": _Walk.append,
        "e": _Walk.appends,
        "l": _Walk.list_since_mark,
        "t": _Walk.tuple_since_mark,
        "\x85": lambda w: w.tuple_of(1),
        "\x86": lambda w: w.tuple_of(2),
        "\x87": lambda w: w.tuple_of(3),
        "q": lambda w: w.put(w.number("<B")),
        "r": lambda w: w.put(w.number("<I")),
        "\x94": lambda w: w.put(len(w.memo)),
        "h": lambda w: w.get(w.number("<B")),
        "j": lambda w: w.get(w.number("<I")),
        "c": lambda w: w.admit(w.cursor.line(), w.cursor.line()),
        "\x93": _Walk.stack_global,
        "R": _Walk.reduce,
        "b": _Walk.build,
    }.items()
}
