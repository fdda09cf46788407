"""The report of a tuning: ``tuning.json``, an HTML page, and plots of the frontier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from likewise.errors import InputError
from likewise.pages.environment import render
from likewise.pages.plots import svg
from likewise.search.tuning.frontier import Point, frontier, settings_text
from likewise.search.tuning.frontier_plot import frontier_figure
from likewise.search.tuning.tuning import Tuning
from likewise.storage import new_file, require_writable, write_json, write_text

__all__ = ["require_report_path", "write_tuning"]

FILES = (".html", ".png", ".svg", ".json")


def require_report_path(out: Path) -> None:
    """Refuse a path that the report cannot be written to, before the long work.

    Raises:
        InputError: a file of an unknown type.
        LikewiseError: its folder cannot be written.
    """
    if out.suffix and out.suffix.lower() not in FILES and not out.is_dir():
        raise InputError(f"--out {out}: give a folder, or a file of type {', '.join(FILES)}")
    require_writable(out.parent if out.suffix.lower() in FILES else out)


def write_tuning(tuning: Tuning, values: Mapping[str, Any], out: Path) -> Path:
    """Write a folder with ``tuning.json``, ``tuning.html`` and ``frontier.png``, or one file.

    Args:
        tuning: the result.
        values: the JSON; its ``command`` is shown on the page.
        out: a folder, or a file whose suffix chooses one of them.

    Returns:
        The page, or the one file.

    Raises:
        InputError: see ``require_report_path``.
        LikewiseError: it cannot be written.
    """
    require_report_path(out)
    kind = out.suffix.lower()
    if kind == ".json":
        write_json(out, values)
        return out
    if kind == ".html":
        write_text(out, _page(tuning, str(values.get("command", ""))))
        return out
    by = next(iter(tuning.target.recalls))
    if kind in (".png", ".svg"):
        _write_plot(tuning, by, out)
        return out
    write_json(out / "tuning.json", values)
    for name in tuning.exact.recalls:
        _write_plot(tuning, name, out / ("frontier.png" if name == by else f"{name}.png"))
    write_text(out / "tuning.html", _page(tuning, str(values.get("command", ""))))
    return out / "tuning.html"


def _write_plot(tuning: Tuning, by: str, path: Path) -> None:
    figure = frontier_figure(tuning, by)
    if path.suffix.lower() == ".svg":
        write_text(path, svg(figure))
        return
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _page(tuning: Tuning, command: str) -> str:
    by = next(iter(tuning.target.recalls))
    best = {id(point) for point in frontier(tuning.points, by)}
    ordered = sorted(tuning.points, key=lambda point: point.seconds)
    return render(
        "tuning",
        tuning=tuning,
        evidence=tuning.evidence,
        plots=[(name, Markup(svg(frontier_figure(tuning, name)))) for name in tuning.exact.recalls],
        names=list(tuning.exact.recalls),
        rows=[(point, id(point) in best, _settings_text(point)) for point in ordered],
        command=command,
    )


def _settings_text(point: Point) -> str:
    parts = (settings_text(point.settings), settings_text(point.search))
    return " / ".join(part for part in parts if part)
