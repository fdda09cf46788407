"""Bar charts as SVG, small enough to be written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from likewise.pages.plots import GENUINE, IMPOSTOR

__all__ = ["bar_chart", "score_chart"]

# Units of lettering and lines; a phone shows them as pixels, a desk half as large again.
WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 12, 12, 22, 42
LETTERING, ROW = 12, 24
LETTER = 0.6 * LETTERING  # about the width of a digit
INK, LINE = "#334155", "#e2e8f0"


def bar_chart(bars: Sequence[tuple[str, int]], axis: str) -> str:
    """Counts as bars one below the other, each with its name before it and its value after.

    Args:
        bars: name and count.
        axis: what the names are of.
    """
    highest = max((count for _, count in bars), default=0) or 1
    start = LEFT + LETTER * max((len(name) for name, _ in bars), default=0) + 6
    room = WIDTH - RIGHT - start - LETTER * len(f"{highest:,}") - 6
    parts = [_text(LEFT, TOP - 6, axis, anchor="start")]
    for number, (name, count) in enumerate(bars):
        top = TOP + ROW * number
        wide = room * count / highest
        parts.append(_text(start - 6, top + 16, name, anchor="end"))
        parts.append(
            f'<rect x="{start:.1f}" y="{top + 3:.1f}" width="{wide:.1f}" height="{ROW - 6}" '
            f'rx="2" fill="{GENUINE}"/>'
        )
        parts.append(_text(start + wide + 6, top + 16, f"{count:,}", anchor="start"))
    return _frame("".join(parts), axis, TOP + ROW * len(bars) + 8)


def score_chart(
    counts: Sequence[tuple[str, Sequence[float]]], edges: Sequence[float], axis: str
) -> str:
    """Two densities over one axis, those of strangers behind.

    Args:
        counts: a name and the height of each bin, one or two series; the last is the person's own.
        edges: of the bins, one more than heights.
        axis: what is measured.
    """
    low, high = edges[0], edges[-1]
    highest = max((max(heights) for _, heights in counts), default=0) or 1
    above = 16 * len(counts) + 8  # the names stand above the bars, not on them
    room = HEIGHT - above - BOTTOM
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    parts = []
    colors = (IMPOSTOR, GENUINE)[-len(counts) :]
    for number, ((name, heights), color) in enumerate(zip(counts, colors, strict=True)):
        for a, b, height in zip(edges[:-1], edges[1:], heights, strict=True):
            tall = room * height / highest
            parts.append(
                f'<rect x="{LEFT + (a - low) * scale:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" '
                f'width="{(b - a) * scale:.1f}" height="{tall:.1f}" fill="{color}" '
                'fill-opacity="0.55"/>'
            )
        parts.append(
            f'<rect x="{LEFT}" y="{16 * number + 5}" width="10" height="10" rx="2" '
            f'fill="{color}" fill-opacity="0.55"/>'
        )
        parts.append(_text(LEFT + 16, 16 * number + 14, name, anchor="start"))
    base = HEIGHT - BOTTOM
    parts.append(
        f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="{LINE}"/>'
    )
    for tick in (0.0, 0.5, 1.0):
        if low <= tick <= high:
            parts.append(_text(LEFT + (tick - low) * scale, base + 15, f"{tick:g}"))
    parts.append(_text(WIDTH / 2, HEIGHT - 8, axis))
    return _frame("".join(parts), axis, HEIGHT)


def _frame(inside: str, axis: str, height: float) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(axis)}" '
        f'font-family="system-ui, sans-serif" font-size="{LETTERING}">{inside}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'
    )
