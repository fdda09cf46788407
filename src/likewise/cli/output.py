"""What commands print: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from likewise.errors import InputError, first_few

if TYPE_CHECKING:
    from likewise.data.images import BadImage
    from likewise.evaluation.experiment import Experiment
    from likewise.evaluation.findings import Findings
    from likewise.evaluation.intervals.bootstrap import Interval
    from likewise.training.monitoring.profile import Profile

__all__ = [
    "bad_images_json",
    "note",
    "print_bad_images",
    "print_experiment",
    "print_findings",
    "print_json",
    "print_profile",
    "print_table",
    "require_photos",
    "warn_of_training_identities",
]


def note(text: str) -> None:
    """Print a line on stderr, so that stdout holds only the result."""
    typer.echo(text, err=True)


def require_photos(paths: Sequence[Path]) -> None:
    """Refuse photos of the command line that do not exist.

    Raises:
        InputError: a photo does not exist; the first one is named.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file")


def print_json(value: Any) -> None:
    """Print a value as JSON; metadata of any type is converted."""
    from likewise.storage import as_json

    typer.echo(json.dumps(as_json(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all columns but the first are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_profile(profile: Profile) -> None:
    """Print how the time of a training step is spent."""
    steps = f"{profile.steps} step{'s' * (profile.steps > 1)}"
    title = f"Time of a training step: {1000 * profile.step_seconds:.1f} ms, mean of {steps}"
    print_table(title, ("", "ms", "share"), profile.rows())
    note(f"trace: {profile.trace} (open it at chrome://tracing or in Perfetto)")


def bad_images_json(bad: Sequence[BadImage]) -> list[dict[str, str]]:
    """The broken photos that were left out, as every command lists them with --json."""
    return [{"path": image.name, "reason": image.reason} for image in bad]


def print_bad_images(bad: Sequence[BadImage]) -> None:
    """Print how many broken photos were left out, and name the first ten."""
    for image in bad[:10]:
        note(f"left out: {image}")
    if len(bad) > 10:
        note(f"… and {len(bad) - 10:,} more")
    if bad:
        note(f"{len(bad):,} broken {'photo was' if len(bad) == 1 else 'photos were'} left out")


def warn_of_training_identities(identities: Sequence[str]) -> None:
    """Warn of leakage: identities of the data that the model was trained on."""
    if identities:
        note(
            f"warning: {len(identities):,} of these identities have the same names as identities "
            f"in training ({first_few(identities)}); if they are the same people, the results are "
            "too optimistic"
        )


def print_experiment(title: str, experiment: Experiment) -> None:
    """Print the results of a verification experiment."""
    measured, folds, intervals = experiment.measured, experiment.folds, experiment.intervals
    rows = [
        ("genuine pairs", f"{measured.genuine:,}"),
        ("impostor pairs", f"{measured.impostor:,}"),
        ("AUC", f"{measured.auc:.5f}{_between(intervals.auc if intervals else None, '.5f')}"),
        ("EER", f"{measured.eer:.3%}{_between(intervals.eer if intervals else None, '.3%')}"),
    ]
    if folds is not None:
        rows.append(
            (
                f"accuracy over {len(folds.accuracies)} folds",
                f"{100 * folds.mean:.3f} ± {100 * folds.standard_error:.3f} %",
            )
        )
    for entry in measured.tar_at_far:
        value = "unmeasurable: too few impostor pairs"
        if entry.tar is not None:
            found = intervals.at(entry.target).tar if intervals else None
            value = f"{entry.tar:.4f}{_between(found, '.4f')} at threshold {entry.threshold:.4f}"
        rows.append((f"TAR at FAR {entry.target:g}", value))
    print_table(title, ("", ""), rows)
    if intervals is not None:
        note(
            f"in brackets: {intervals.level:.0%} confidence intervals over "
            f"{intervals.identities:,} identities"
        )
    if experiment.missing:
        note(
            f"{len(experiment.missing):,} photos that the pairs name are missing; "
            f"the first: {experiment.missing[0]}"
        )


def _between(interval: Interval | None, form: str) -> str:
    return "" if interval is None else f" ({interval.low:{form}} to {interval.high:{form}})"


def print_findings(findings: Findings) -> None:
    """Print the results beside verification, and why a result is missing."""
    rows: list[tuple[str, str]] = []
    if (found := findings.identification) is not None:
        task = f"identification among {found.identities:,} identities"
        rows += [(f"{task}, rank {k}", f"{v:.4f}") for k, v in found.closed.rates.items()]
        for entry in found.open.tpir_at_fpir if found.open else ():
            value = "unmeasurable: too few non-mated probes"
            if entry.tpir is not None:
                value = f"{entry.tpir:.4f} at threshold {entry.threshold:.4f}"
            rows.append((f"open set, TPIR at FPIR {entry.target:g}", value))
    if (retrieval := findings.retrieval) is not None:
        rows += [(f"Recall@{k}", f"{v:.4f}") for k, v in retrieval.recall.items()]
        rows += [
            ("R-precision", f"{retrieval.r_precision:.4f}"),
            ("MAP@R", f"{retrieval.map_at_r:.4f}"),
        ]
    if (clustering := findings.clustering) is not None:
        rows += [
            ("clusters", f"{clustering.clusters:,} for {clustering.classes:,} identities"),
            ("BCubed F, pairwise F", f"{clustering.bcubed.f:.4f}, {clustering.pairwise.f:.4f}"),
            ("AMI, NMI", f"{clustering.ami:.4f}, {clustering.nmi:.4f}"),
        ]
    if (reliability := findings.reliability) is not None:
        origin = "of the model" if findings.calibration_of == "model" else "fitted on half"
        cllr = f"{reliability.cllr:.4f} (minimum {reliability.min_cllr:.4f})"
        rows.append((f"Cllr, calibration {origin}", cllr))
    if rows:
        print_table("Other results", ("", ""), rows)
    for report in findings.groups:
        print_table(
            f"Error rates by {report.column}, at threshold {report.threshold:.4f}",
            (report.column, "identities", "FMR", "÷ overall", "FNMR", "÷ overall"),
            [
                (
                    entry.group,
                    f"{entry.identities:,}",
                    "–" if entry.fmr is None else f"{entry.fmr.value:.3g}",
                    "–" if entry.fmr_ratio is None else f"{entry.fmr_ratio.value:.2f}×",
                    "–" if entry.fnmr is None else f"{entry.fnmr.value:.3g}",
                    "–" if entry.fnmr_ratio is None else f"{entry.fnmr_ratio.value:.2f}×",
                )
                for entry in (report.overall, *report.groups)
            ],
        )
        for group in report.groups:
            for warning in group.warnings:
                note(f"{report.column} {group.group}: {warning}")
    for curve in findings.quality:
        print_table(
            f"Error versus discard by {curve.column}, at threshold {curve.threshold:.4f}",
            ("genuine pairs discarded", "FNMR", "photos discarded", "lowest kept"),
            [
                (
                    f"{point.discarded:.1%}",
                    f"{point.fnmr.value:.2%} ({point.fnmr.low:.2%} to {point.fnmr.high:.2%})",
                    "–" if point.photos is None else f"{point.photos:.1%}",
                    f"{point.quality:.4g}",
                )
                for point in curve.points
            ],
        )
        note(
            f"{curve.column}: area up to 20 % discarded, divided by that of random discarding: "
            f"{curve.to_random.value:.3f} ({curve.to_random.low:.3f} to {curve.to_random.high:.3f})"
        )
    for reason in findings.left_out:
        note(f"left out: {reason}")
