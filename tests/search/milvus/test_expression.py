"""What is translated means the same; what is not certain is not translated."""

from __future__ import annotations

import pyarrow.compute as pc
import pytest

from likewise.search.milvus.expression import translated

field = pc.field
COLUMNS = ["camera", "path", "and", "a b", 'x"] == 1 or item["y', "ä"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (field("camera") == 3, '(item["camera"] == 3)'),
        (field("camera") <= -3, '(item["camera"] <= -3)'),
        (field("path") == 'a"\\b', '(item["path"] == "a\\"\\\\b")'),
        (field("path") == "ü 雪", '(item["path"] == "ü 雪")'),
        (field("path") == '") or (item["camera"] > 0',
         '(item["path"] == "\\") or (item[\\"camera\\"] > 0")'),
        ((field("camera") == 1) | (field("camera") > 2) & (field("path") == "x"),
         '((item["camera"] == 1) or ((item["camera"] > 2) and (item["path"] == "x")))'),
    ],
)  # fmt: skip
def test_translated(expression: pc.Expression, expected: str) -> None:
    assert translated(expression, COLUMNS) == expected


@pytest.mark.parametrize(
    "expression",
    [
        field("camera") != 3,
        ~(field("camera") == 3),
        field("camera").isin([3]),
        field("camera").is_null(),
        field("camera") == 3.5,
        field("camera") == 2**53 + 1,
        field("camera") == True,  # noqa: E712  # an expression
        field("camera") == field("camera"),
        pc.scalar(3) == field("camera"),
        field("path") > "a",
        field("path") == "two\nlines",
        field("path") == "nul\0",
        field("lens") == 3,
        field("a b") == 3,
        field("ä") == 3,
        field('x"] == 1 or item["y') == 3,
        field("camera == 3) or (camera") == 3,
        field("camera") + 1 == 3,
        (field("camera") == 1) ^ (field("camera") == 2)
        if hasattr(pc.Expression, "__xor__")
        else pc.xor(field("camera") == 1, field("camera") == 2),
        pc.scalar(True),
    ],
    ids=str,
)
def test_not_translated(expression: pc.Expression) -> None:
    assert translated(expression, COLUMNS) is None


def test_a_name_that_looks_like_a_formula_is_no_formula() -> None:
    tricky = field("camera") == 3
    lookalike = field("camera == 3) and (camera") == 3
    assert translated(tricky & tricky, COLUMNS) is not None
    assert str(lookalike) != str(tricky & tricky) or translated(lookalike, COLUMNS) is None


def test_a_very_deep_formula_is_left_alone() -> None:
    deep = field("camera") == 0
    for number in range(400):
        deep = deep | (field("camera") == number)
    text = translated(deep, COLUMNS)
    assert text is None or text.count("==") == 401
