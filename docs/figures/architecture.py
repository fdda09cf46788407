"""The picture of the architecture: each package, what it is for, and what it imports.

Drawn from the files: the packages and folders as they lie, the arrows from the imports, the words
from the first line of each package's docstring. An arrow is left out where a longer way leads to
the same package.
"""

from __future__ import annotations

import ast
import textwrap
from html import escape
from pathlib import Path

from docs.structure import PACKAGES, SOURCE, imports

__all__ = ["IMAGE", "architecture"]

IMAGE = Path(__file__).parents[1] / "images" / "architecture.svg"

WIDTH, LEFT = 224, 20  # of a box, in pixels, and the margin of the picture
ACROSS, DOWN = 24, 52  # between boxes
TITLE, LINE, LETTERS = 19, 15, 31  # heights of lines of text, and letters in one
Place = tuple[float, float, float]  # left, top, height
INK, PALE, EDGE = "#0f172a", "#475569", "#94a3b8"


def architecture() -> str:
    """The picture as SVG."""
    uses = _direct(_packages())
    rows = _rows(uses)
    texts = {name: _text(name) for name in uses}
    heights = [
        max(TITLE + LINE * len(texts[name][0] + texts[name][1]) for name in row) + 22
        for row in rows
    ]
    tops = [LEFT + sum(heights[:at]) + DOWN * at for at in range(len(rows))]
    most = max(map(len, rows))
    width = 2 * LEFT + most * WIDTH + (most - 1) * ACROSS
    places: dict[str, Place] = {}
    for row, top, height in zip(rows, tops, heights, strict=True):
        start = (width - len(row) * WIDTH - (len(row) - 1) * ACROSS) / 2
        for at, name in enumerate(row):
            places[name] = (start + at * (WIDTH + ACROSS), top, height)
    total = tops[-1] + heights[-1] + LEFT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{total}" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{EDGE}"/></marker></defs>',
    ]
    lines += [_arrow(places, name, other) for name in uses for other in sorted(uses[name])]
    lines += [line for name in places for line in _box(name, places[name], *texts[name])]
    return "\n".join([*lines, "</svg>", ""])


def _packages() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, named in imports().items():
        own = module.split(".")[1]
        if own in PACKAGES:
            others = {name.split(".")[1] for name in named}
            found.setdefault(own, set()).update(others & set(PACKAGES) - {own})
    return {name: found[name] for name in PACKAGES if name in found}


def _direct(uses: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the packages that are reached through another one."""

    def reached(name: str) -> set[str]:
        return uses[name].union(*map(reached, uses[name]))

    return {
        name: {
            other
            for other in others
            if not any(other in reached(through) for through in others - {other})
        }
        for name, others in uses.items()
    }


def _rows(uses: dict[str, set[str]]) -> list[list[str]]:
    """The rows of packages: each package is above all packages that it imports."""
    height: dict[str, int] = {}
    for name in uses:  # in the order of PACKAGES: its imports are placed already
        height[name] = 1 + max((height[other] for other in uses[name]), default=-1)
    return [
        [name for name in uses if height[name] == level]
        for level in range(max(height.values()), -1, -1)
    ]


def _text(package: str) -> tuple[list[str], list[str]]:
    """What a package is for, and its folders, as lines that fit into a box."""
    folder = SOURCE / "likewise" / package
    about = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    inside = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    return (
        textwrap.wrap((about or "").split("\n")[0], LETTERS),
        textwrap.wrap(" · ".join(inside), LETTERS),
    )


def _box(name: str, place: Place, about: list[str], inside: list[str]) -> list[str]:
    left, top, height = place
    lines = [
        f'<rect x="{left:g}" y="{top:g}" width="{WIDTH}" height="{height:g}" rx="7" '
        f'fill="#f8fafc" stroke="{EDGE}"/>',
        f'<text x="{left + 11:g}" y="{top + 22:g}" font-size="14" font-weight="600" '
        f'fill="{INK}">{name}</text>',
    ]
    for at, text in enumerate(about + inside):
        look = f'fill="{INK}"' if at < len(about) else f'fill="{PALE}" font-style="italic"'
        baseline = top + 22 + TITLE + LINE * at
        lines.append(f'<text x="{left + 11:g}" y="{baseline:g}" {look}>{escape(text)}</text>')
    return lines


def _arrow(places: dict[str, Place], user: str, used: str) -> str:
    """A curve between neighboring rows; past the rows between others, a straight line."""
    left, top, height = places[user]
    other, below, _ = places[used]
    x, y, to = left + WIDTH / 2, top + height, other + WIDTH / 2
    between = [place for place in places.values() if y < place[1] < below]
    path = f"M{x:g} {y:g}"
    if between:
        free = _free(to, [place[0] for place in between])
        start, end = (min(place[1] for place in between), max(p[1] + p[2] for p in between))
        path += f"{_curve(x, y, free, start)}V{end:g}"
        x, y = free, end
    return (
        f'<path d="{path}{_curve(x, y, to, below)}" fill="none" stroke="{EDGE}" '
        'stroke-width="1.3" marker-end="url(#tip)"/>'
    )


def _curve(x: float, y: float, to: float, below: float) -> str:
    middle = (y + below) / 2
    return f"C{x:g} {middle:g} {to:g} {middle:g} {to:g} {below:g}"


def _free(wanted: float, boxes: list[float]) -> float:
    """The position nearest to the wanted one at which the arrow crosses no box."""
    gap = ACROSS / 2
    ends = [wanted] + [left - gap for left in boxes] + [left + WIDTH + gap for left in boxes]
    open_ = [x for x in ends if all(not left - gap < x < left + WIDTH + gap for left in boxes)]
    return min(open_, key=lambda x: abs(x - wanted))


if __name__ == "__main__":
    IMAGE.write_text(architecture(), encoding="utf-8")
    print(IMAGE)
