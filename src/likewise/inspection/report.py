"""The page of an inspection: numbers, plots and pictures in one file, beside ``inspect.json``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import norm

from likewise.inspection.bars import bar_chart, score_chart
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.exhibits import (
    Exhibit,
    doubles,
    mislabel_exhibits,
    pair_exhibits,
    split_exhibits,
)
from likewise.inspection.inspection import Inspection
from likewise.inspection.record import counts_by_size, record
from likewise.inspection.sentences import rows_of, sentences
from likewise.pages.environment import render
from likewise.storage import write_json, write_text

__all__ = ["write_inspection"]

EXAMPLES = 24
BINS = np.linspace(-0.5, 1.5, 61)


def write_inspection(found: Inspection, folder: Path, *, examples: int = EXAMPLES) -> Path:
    """Write ``inspect.json`` and ``inspect.html``; returns the page.

    The JSON holds all that was found, the page at most ``examples`` of each kind, with small
    pictures of them inside it.

    Args:
        found: the inspection.
        folder: where to.
        examples: of each kind on the page.
    """
    values = record(found)
    write_json(folder / "inspect.json", values)
    html = render(
        "inspect",
        data=values["data"],
        summary=sentences(values),
        values=values,
        table=rows_of(values),
        plots=_plots(found),
        sections=_sections(found, examples),
        broken=values["broken"][:examples],
        notes=found.notes,
        settings=[
            (key.replace("_", " "), str(value))
            for part in ("settings", "machine", "versions")
            for key, value in values[part].items()
        ],
    )
    write_text(folder / "inspect.html", html)
    return folder / "inspect.html"


def _plots(found: Inspection) -> list[tuple[str, str]]:
    values = _size_bars(found)
    plots = [
        (
            bar_chart(values, "photos of an identity, up to"),
            "How many identities have how many photos.",
        )
    ]
    if found.labels is not None and found.labels.own.judged.any():
        own = found.labels.own.scores[found.labels.own.judged]
        strangers = found.labels.strangers
        factor = 1 + strangers.ratio
        law = norm.cdf(BINS, strangers.mean * factor, strangers.deviation * factor)
        bars = np.histogram(np.clip(own, BINS[0], BINS[-1]), BINS)[0] / max(len(own), 1)
        plots.append(
            (
                score_chart(
                    [
                        ("strangers", np.diff(law).tolist()),
                        (f"photo and the rest of its identity ({len(own):,})", bars.tolist()),
                    ],
                    BINS.tolist(),
                    "likeness, 1 for one person",
                ),
                "How alike photos are to their own identity, and strangers to one another. What "
                "lies left, among the strangers, is in doubt.",
            )
        )
    return plots


def _size_bars(found: Inspection) -> list[tuple[str, int]]:
    """Identities with 1, 2, up to 4, up to 8, … photos."""
    return [
        (f"{high:,}", count)
        for _, high, count in counts_by_size(np.bincount(found.manifest.labels).tolist())
    ]


def _sections(found: Inspection, examples: int) -> list[tuple[str, str, int, list[Exhibit]]]:
    """Title, explanation, how many there are, and the first of them."""
    sections = []
    groups: dict[str, list[Duplicate]] = {"across": [], "between": [], "splits": [], "within": []}
    names = found.manifest.table
    split = names["split"].to_pylist() if "split" in names.column_names else None
    labels = found.manifest.labels
    for double in found.duplicates:
        if double.right >= len(found.manifest):
            groups["between"].append(double)
        elif labels[double.left] != labels[double.right]:
            groups["across"].append(double)
        else:
            groups["within"].append(double)
        inside = double.right < len(found.manifest)
        if inside and split is not None and split[double.left] != split[double.right]:
            groups["splits"].append(double)
    for key, title, text in (
        ("across", "Doubles across identities",
         "One shot under two names: one of the labels is wrong, or both names are one person."),
        ("between", "Doubles in both sets", "A photo to be tested on that was trained on."),
        ("splits", "Doubles across splits", "A photo that training and test share."),
        ("within", "Doubles within identities", "One shot twice: it counts double for nothing."),
    ):  # fmt: skip
        chosen = sorted(groups[key], key=lambda d: (-d.score, d.left, d.right))
        sections.append((title, text, len(chosen), doubles(found, chosen[:examples])))
    if found.labels is not None and found.embedded is not None:
        doubts, set_of = found.labels, found.embedded
        sections += [
            (
                "Likeliest wrong labels",
                "Left: typical of the name that it is filed under. Middle: the photo. Right: "
                "typical of whom it resembles most. Those that look like somebody else come first; "
                "those that look like nobody may merely be hard.",
                len(doubts.mislabels),
                mislabel_exhibits(found.manifest, set_of, doubts.mislabels[:examples]),
            ),
            (
                "One person under two names",
                "Typical photos of the one, then of the other.",
                len(doubts.merges),
                pair_exhibits(
                    found.manifest, set_of, found.manifest, set_of, doubts.merges[:examples]
                ),
            ),
            (
                "Two people under one name",
                "Photos of the one group, then of the other.",
                len(doubts.splits),
                split_exhibits(found.manifest, doubts.splits[:examples]),
            ),
        ]
    if (
        found.same_people is not None
        and found.against is not None
        and found.embedded is not None
        and found.against_embedded is not None
    ):
        sections.append(
            (
                "People of both sets",
                "Typical photos here, then there. Whoever is in both is no stranger to the test.",
                len(found.same_people),
                pair_exhibits(
                    found.manifest, found.embedded, found.against, found.against_embedded,
                    found.same_people[:examples],
                ),
            )
        )  # fmt: skip
    return [section for section in sections if section[2]]
