"""Bar charts as SVG, small enough to be written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from likewise.evaluation.plots import GENUINE, IMPOSTOR

__all__ = ["bar_chart", "score_chart"]

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 14, 10, 22, 38
INK, LINE = "#334155", "#e2e8f0"


def bar_chart(bars: Sequence[tuple[str, int]], axis: str) -> str:
    """Counts with their names below and their values above.

    Args:
        bars: name and count.
        axis: what the names are of.
    """
    highest = max((count for _, count in bars), default=0) or 1
    step = (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    room = HEIGHT - TOP - BOTTOM
    parts = []
    for number, (name, count) in enumerate(bars):
        middle = LEFT + (number + 0.5) * step
        tall = room * count / highest
        top = HEIGHT - BOTTOM - tall
        parts.append(
            f'<rect x="{middle - 0.4 * step:.1f}" y="{top:.1f}" width="{0.8 * step:.1f}" '
            f'height="{tall:.1f}" rx="2" fill="{GENUINE}"/>'
        )
        parts.append(_text(middle, top - 5, f"{count:,}"))
        parts.append(_text(middle, HEIGHT - BOTTOM + 14, name))
    return _frame("".join(parts), axis)


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
    room = HEIGHT - TOP - BOTTOM
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
            f'<rect x="{LEFT + 4}" y="{TOP + 15 * number - 8}" width="9" height="9" rx="2" '
            f'fill="{color}" fill-opacity="0.55"/>'
        )
        parts.append(_text(LEFT + 18, TOP + 15 * number, name, anchor="start"))
    for tick in (0.0, 0.5, 1.0):
        if low <= tick <= high:
            parts.append(_text(LEFT + (tick - low) * scale, HEIGHT - BOTTOM + 14, f"{tick:g}"))
    return _frame("".join(parts), axis)


def _frame(inside: str, axis: str) -> str:
    base = HEIGHT - BOTTOM
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(axis)}" '
        'font-family="system-ui, sans-serif" font-size="11">'
        f"{inside}"
        f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="{LINE}"/>'
        f"{_text(WIDTH / 2, HEIGHT - 6, axis)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'
    )
