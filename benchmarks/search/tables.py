"""The results of ``benchmarks.search.grid`` as a Markdown table and a plot of the frontiers.

python -m benchmarks.search.tables FILE... [--plot PNG]

For each family and recall, the table has the fastest setting: its speed relative to exact search of
the same set, for one query at a time and in batches of 1,000, its resident memory, and its build
time, as the number of queries that exact search answers in the same time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.search.grid import Point, read
from benchmarks.search.sets import QUERIES

TARGETS = (0.90, 0.95, 0.99)


def fastest(points: Sequence[Point], target: float, mode: str) -> Point | None:
    """The fastest of the points that reach a recall."""
    reach = [point for point in points if point["recall"] >= target]
    return max(reach, key=lambda point: point[mode], default=None)


def table(points: Sequence[Point]) -> list[str]:
    """Lines of Markdown, one for each family, fastest first."""
    families = sorted({point["family"] for point in points})
    rows = []
    for family in families:
        own = [point for point in points if point["family"] == family]
        cells, order = [], 0.0
        for target in TARGETS:
            single, batch = fastest(own, target, "single"), fastest(own, target, "batch")
            if single is None or batch is None:
                cells.append("–")
                continue
            cells.append(f"{single['single']:.1f} · {batch['batch']:.1f}")
            order = order or single["single"]
        best = fastest(own, 0.95, "single") or max(own, key=lambda point: point["recall"])
        cells += [
            f"{max(point['recall'] for point in own):.3f}",
            f"{best['memory']:.0f}",
            f"{best['build'] * QUERIES:,.0f}" if family != "exact" else "–",
        ]
        rows.append((order, f"| {family} | {' | '.join(cells)} |"))
    heads = ["≥ 0.90", "≥ 0.95", "≥ 0.99", "best recall", "bytes a vector", "build, in queries"]
    lines = [f"| family | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    return lines + [row for _, row in sorted(rows, reverse=True)]


def envelope(points: Sequence[Point], mode: str) -> list[Point]:
    """The points that no other of the same family beats in recall and speed."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: -point["recall"]):
        if not kept or point[mode] > kept[-1][mode]:
            kept.append(point)
    return kept


def plot(points: Sequence[Point], path: Path) -> None:
    """Plot recall against speed, one line for each family; single queries, and batches."""
    import matplotlib.pyplot as plt

    from likewise.lab.figures.palette import CLASSES, FAINT, INK, QUIET, save_png

    figure, places = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    families = sorted({point["family"] for point in points} - {"exact"})
    for axes, mode in zip(places, ("single", "batch"), strict=True):
        for number, family in enumerate(families):
            line = envelope([p for p in points if p["family"] == family], mode)
            shown = [p for p in line if p["recall"] >= 0.8]
            axes.plot(
                [p["recall"] for p in shown],
                [p[mode] for p in shown],
                color=CLASSES[number % len(CLASSES)],
                linestyle=("-", "--")[number // len(CLASSES)],
                marker="o",
                markersize=3,
                linewidth=1.4,
                label=family,
            )
        axes.axhline(1, color=QUIET, linewidth=1)
        axes.text(0.801, 1.03, "exact", color=QUIET, fontsize=9)
        axes.set(xlim=(0.8, 1.002), yscale="log", xlabel="recall@10")
        axes.set_title({"single": "one query at a time", "batch": "batches of 1,000"}[mode])
        axes.grid(color=FAINT, linewidth=0.7)
        axes.tick_params(colors=INK)
    places[0].set_ylabel("times as fast as exact search")
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    save_png(figure, path, dpi=130)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="of the first FILE")
    options = parser.parse_args()
    for path in options.files:
        points = read(path)
        if not points:
            raise SystemExit(f"{path}: holds no points")
        print(f"{points[0]['set']}, {points[0]['count']:,} vectors:\n")
        print("\n".join(table(points)), end="\n\n")
    if options.plot:
        plot(read(options.files[0]), options.plot)


if __name__ == "__main__":
    main()
