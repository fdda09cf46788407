"""Translate a pyarrow expression into Milvus's expression language.

pyarrow exposes an expression only as text. So the text is parsed, an expression is built from the
result, and the translation is used only if that expression equals the original. Supported are
``and`` and ``or`` over comparisons of a column with a whole number and equality with a string: for
these, both languages leave out rows without a value. Rows that the server returns are checked with
the original expression anyway.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Collection

import pyarrow.compute as pc

__all__ = ["translated"]

COMPARE: dict[str, Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TOKEN = re.compile(
    r'\s*(?:([()])|(==|<=|>=|<|>)|(-?\d+)(?![\w.])|("(?:[^"\\]|\\.)*")|([^\W\d]\w*))'
)
LARGEST = 2**53  # a server may parse a JSON number as a double
MAX_LENGTH = 20_000
Parsed = tuple[pc.Expression, str]


def translated(expression: pc.Expression, columns: Collection[str]) -> str | None:
    """The expression over the field ``item`` in Milvus's language; None if it is not supported.

    Args:
        expression: over the columns of the items.
        columns: the columns of the items.

    Example:
        >>> import pyarrow.compute as pc
        >>> from likewise.search.milvus.expression import translated
        >>> in_the_hall = (pc.field("camera") == 3) & (pc.field("place") == "hall")
        >>> translated(in_the_hall, ["camera", "place"])
        '((item["camera"] == 3) and (item["place"] == "hall"))'
        >>> translated(pc.field("camera") != 3, ["camera"])
    """
    text = str(expression)
    tokens: list[str] = []
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None or len(text) > MAX_LENGTH:
            return None
        tokens.append(match.group(match.lastindex or 0))
        place = match.end()
    try:
        rebuilt, milvus = _formula(tokens, columns)
    except (ValueError, IndexError, RecursionError):
        return None
    return milvus if not tokens and rebuilt.equals(expression) else None


def _formula(tokens: list[str], columns: Collection[str]) -> Parsed:
    _take(tokens, "(")
    if tokens[0] != "(":
        found = _comparison(tokens, columns)
    else:
        left, left_text = _formula(tokens, columns)
        joint = tokens.pop(0)
        right, right_text = _formula(tokens, columns)
        if joint not in ("and", "or"):
            raise ValueError(joint)
        both = left & right if joint == "and" else left | right
        found = both, f"({left_text} {joint} {right_text})"
    _take(tokens, ")")
    return found


def _comparison(tokens: list[str], columns: Collection[str]) -> Parsed:
    name, sign, literal = tokens.pop(0), tokens.pop(0), tokens.pop(0)
    if name not in columns or not name.isascii() or not name.isidentifier():
        raise ValueError(name)
    if literal.startswith('"'):
        value: int | str = json.loads(literal)
        if sign != "==" or not str(value).isprintable():
            raise ValueError(literal)
    else:
        value = int(literal)
        if abs(value) > LARGEST:
            raise ValueError(literal)
    rebuilt = COMPARE[sign](pc.field(name), pc.scalar(value))
    return rebuilt, f'(item["{name}"] {sign} {json.dumps(value, ensure_ascii=False)})'


def _take(tokens: list[str], expected: str) -> None:
    if tokens.pop(0) != expected:
        raise ValueError(expected)
