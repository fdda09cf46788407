"""The HTML page of an inspection, written beside ``inspect.json``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import norm

from likewise.inspection.duplicates import Duplicate
from likewise.inspection.examples import (
    Example,
    duplicate_examples,
    mislabeled_examples,
    pair_examples,
    two_people_examples,
)
from likewise.inspection.findings import Findings
from likewise.inspection.record import counts_by_size, record
from likewise.inspection.summary import summary_lines, summary_table
from likewise.pages.environment import render
from likewise.pages.plots import bar_chart, score_chart
from likewise.storage import write_json, write_text

__all__ = ["write_inspection"]

EXAMPLES = 24
BINS = np.linspace(-0.5, 1.5, 61)


def write_inspection(found: Findings, folder: str | Path, *, examples: int = EXAMPLES) -> Path:
    """Write ``inspect.json`` and ``inspect.html``; returns the path of the page.

    The JSON file holds all findings. The page shows at most ``examples`` of each kind, with the
    photos embedded as thumbnails.

    Args:
        found: the inspection.
        folder: the output folder.
        examples: the most examples of each kind on the page.
    """
    folder, values = Path(folder), record(found)
    write_json(folder / "inspect.json", values)
    html = render(
        "inspect",
        data=values["data"],
        summary=summary_lines(values),
        values=values,
        table=summary_table(values),
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


def _plots(found: Findings) -> list[tuple[str, str]]:
    sizes = counts_by_size(np.bincount(found.manifest.labels).tolist())
    plots = [
        (
            bar_chart(
                [(f"{high:,}", count) for _, high, count in sizes], "photos per identity, up to"
            ),
            "The number of identities by their number of photos.",
        )
    ]
    if found.labels is not None and found.labels.own.judged.any():
        own = found.labels.own.scores[found.labels.own.judged]
        impostors = found.labels.impostors
        factor = 1 + impostors.ratio
        distribution = norm.cdf(BINS, impostors.mean * factor, impostors.deviation * factor)
        shares = np.histogram(np.clip(own, BINS[0], BINS[-1]), BINS)[0] / max(len(own), 1)
        plots.append(
            (
                score_chart(
                    [
                        ("impostors", np.diff(distribution).tolist()),
                        (f"photo and its own identity ({len(own):,})", shares.tolist()),
                    ],
                    BINS.tolist(),
                    "corrected score, 1 for one person",
                ),
                "Scores of photos with the other photos of their identity, and scores between "
                "different identities. The label of a photo that scores like impostors is in "
                "doubt.",
            )
        )
    return plots


def _sections(found: Findings, examples: int) -> list[tuple[str, str, int, list[Example]]]:
    """Title, explanation, number of findings, and the first examples of each section."""
    sections = []
    groups: dict[str, list[Duplicate]] = {"across": [], "between": [], "splits": [], "within": []}
    names = found.manifest.table
    split = names["split"].to_pylist() if "split" in names.column_names else None
    labels = found.manifest.labels
    for duplicate in found.duplicates:
        left, right = duplicate.left, duplicate.right
        if right >= len(found.manifest):
            groups["between"].append(duplicate)
            continue
        groups["across" if labels[left] != labels[right] else "within"].append(duplicate)
        if split is not None and split[left] != split[right]:
            groups["splits"].append(duplicate)
    for key, title, text in (
        ("across", "Duplicates across identities",
         "One photo under two labels: a label is wrong, or both identities are one person."),
        ("between", "Duplicates in both sets", "Leakage: a test photo is also a training photo."),
        ("splits", "Duplicates across splits", "Leakage: two splits share a photo."),
        ("within", "Duplicates within an identity", "Redundant copies of one photo."),
    ):  # fmt: skip
        chosen = sorted(groups[key], key=lambda d: (-d.score, d.left, d.right))
        sections.append((title, text, len(chosen), duplicate_examples(found, chosen[:examples])))
    if found.labels is not None and found.embedded is not None:
        labels_found, embedded = found.labels, found.embedded
        sections += [
            (
                "Photos that are probably mislabeled",
                "Left: a typical photo of its label. Middle: the photo in doubt. Right: a typical "
                "photo of the most similar other identity. Photos that resemble another identity "
                "come first; the others may only be hard photos with a correct label.",
                len(labels_found.mislabeled),
                mislabeled_examples(found.manifest, embedded, labels_found.mislabeled[:examples]),
            ),
            (
                "One person under two labels",
                "Typical photos of the first identity, then of the second.",
                len(labels_found.same_person),
                pair_examples(
                    found.manifest,
                    embedded,
                    found.manifest,
                    embedded,
                    labels_found.same_person[:examples],
                ),
            ),
            (
                "Two people under one label",
                "Photos of the first group, then of the second.",
                len(labels_found.two_people),
                two_people_examples(found.manifest, labels_found.two_people[:examples]),
            ),
        ]
    if (
        found.overlap is not None
        and found.against is not None
        and found.embedded is not None
        and found.against_embedded is not None
    ):
        sections.append(
            (
                "Identities in both sets",
                "Leakage: typical photos of the identity in this set, then in the other set.",
                len(found.overlap),
                pair_examples(
                    found.manifest, found.embedded, found.against, found.against_embedded,
                    found.overlap[:examples],
                ),
            )
        )  # fmt: skip
    return [section for section in sections if section[2]]
