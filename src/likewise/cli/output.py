"""What commands print: tables for people, JSON for machines, and the options that many share."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from likewise.data.images import BadImage
    from likewise.evaluation.experiment import Experiment
    from likewise.evaluation.findings import Findings
    from likewise.evaluation.intervals.bootstrap import Interval
    from likewise.training.monitoring.profile import Profile

__all__ = [
    "AsJson",
    "BadImagePolicy",
    "Device",
    "Flip",
    "Model",
    "OnBad",
    "Root",
    "Split",
    "add_command",
    "note",
    "print_bad",
    "print_experiment",
    "print_findings",
    "print_json",
    "print_profile",
    "print_table",
    "print_trained_on",
]


class BadImagePolicy(StrEnum):
    """What a broken photo does."""

    skip = "skip"
    refuse = "refuse"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead, for machines.")]
Model = Annotated[
    str,
    typer.Option(
        "--model", envvar="LIKEWISE_MODEL", help="A model's folder, hub id or .onnx file."
    ),
]
OnBad = Annotated[
    BadImagePolicy, typer.Option("--on-bad-image", help="Leave broken photos out, or stop.")
]
Flip = Annotated[bool, typer.Option("--flip", help="Add the mirrored photo's embedding.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, mps.")]
Split = Annotated[
    str | None,
    typer.Option("--split", help="Of a table with a column split: train, val, test, or all."),
]
Root = Annotated[Path | None, typer.Option("--root", help="Where the paths of a table start from.")]


def add_command(app: typer.Typer, name: str, command: Callable[..., None]) -> None:
    """Register a command; of its docstring, the example comes at the very end of the help."""
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("\n\nExample: ")
    app.command(name, help=text, epilog=f"Example: {example}")(command)


def note(text: str) -> None:
    """A line for the person at the terminal; stdout stays clean."""
    typer.echo(text, err=True)


def require_photos(paths: Sequence[Path]) -> None:
    """Refuse photos named at the command line that are not there: wrong use, not a broken photo.

    Raises:
        InputError: names the first.
    """
    from likewise.errors import InputError

    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file")


def print_json(value: Any) -> None:
    """Print a value as JSON, whatever metadata is in it."""
    from likewise.storage import as_json

    typer.echo(json.dumps(as_json(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; numbers stand to the right."""
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
    """Print where the time of a training step goes."""
    steps = f"{profile.steps} step{'s' * (profile.steps > 1)}"
    title = f"A training step, over {steps} of {1000 * profile.step_seconds:.1f} ms"
    print_table(title, ("", "ms", "share"), profile.rows())
    note(f"trace: {profile.trace} (open it at chrome://tracing or in Perfetto)")


def print_bad(bad: Sequence[BadImage]) -> None:
    """Count the broken photos that were left out, and name the first."""
    for image in bad[:10]:
        note(f"left out: {image}")
    if len(bad) > 10:
        note(f"… and {len(bad) - 10:,} more")
    if bad:
        note(f"{len(bad):,} broken {'photo was' if len(bad) == 1 else 'photos were'} left out")


def print_trained_on(people: Sequence[str]) -> None:
    """Warn of people that the model was trained on."""
    if people:
        named = ", ".join(people[:3]) + (", …" if len(people) > 3 else "")
        note(
            f"warning: {len(people):,} of these people have the names of people in training "
            f"({named}): on people it has seen, a model looks better than it is"
        )


def print_experiment(title: str, experiment: Experiment) -> None:
    """Print the numbers of a verification experiment."""
    measured, folds, sure = experiment.measured, experiment.folds, experiment.intervals
    rows = [
        ("pairs of the same person", f"{measured.genuine:,}"),
        ("pairs of different people", f"{measured.impostor:,}"),
        ("AUC", f"{measured.auc:.5f}{_range(sure.auc if sure else None, '.5f')}"),
        ("EER", f"{measured.eer:.3%}{_range(sure.eer if sure else None, '.3%')}"),
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
            found = sure.at(entry.target).tar if sure else None
            value = f"{entry.tar:.4f}{_range(found, '.4f')} at threshold {entry.threshold:.4f}"
        rows.append((f"TAR at FAR {entry.target:g}", value))
    print_table(title, ("", ""), rows)
    if sure is not None:
        note(f"in brackets: {sure.level:.0%} intervals over {sure.identities:,} identities")
    if experiment.missing:
        note(
            f"{len(experiment.missing):,} photos named by the pairs are not here; "
            f"the first: {experiment.missing[0]}"
        )


def _range(interval: Interval | None, form: str) -> str:
    return "" if interval is None else f" ({interval.low:{form}} to {interval.high:{form}})"


def print_findings(findings: Findings) -> None:
    """Print what was measured beside verification, and why something is missing."""
    rows: list[tuple[str, str]] = []
    if (found := findings.identification) is not None:
        told = f"identification among {found.identities:,} people"
        rows += [(f"{told}, rank {k}", f"{v:.4f}") for k, v in found.closed.rates.items()]
        for entry in found.open.tpir_at_fpir if found.open else ():
            value = "unmeasurable: too few strangers"
            if entry.tpir is not None:
                value = f"{entry.tpir:.4f} at threshold {entry.threshold:.4f}"
            rows.append((f"open set, TPIR at FPIR {entry.target:g}", value))
    if (searched := findings.retrieval) is not None:
        rows += [(f"Recall@{k}", f"{v:.4f}") for k, v in searched.recall.items()]
        rows += [
            ("R-precision", f"{searched.r_precision:.4f}"),
            ("MAP@R", f"{searched.map_at_r:.4f}"),
        ]
    if (grouped := findings.clustering) is not None:
        rows += [
            ("clusters", f"{grouped.clusters:,} for {grouped.classes:,} identities"),
            ("BCubed F, pairwise F", f"{grouped.bcubed.f:.4f}, {grouped.pairwise.f:.4f}"),
            ("AMI, NMI", f"{grouped.ami:.4f}, {grouped.nmi:.4f}"),
        ]
    if (held := findings.reliability) is not None:
        whose = "the model's" if findings.calibration_of == "model" else "fitted on half"
        rows.append((f"Cllr, calibration {whose}", f"{held.cllr:.4f} (least {held.min_cllr:.4f})"))
    if rows:
        print_table("And beside it", ("", ""), rows)
    for report in findings.groups:
        print_table(
            f"By {report.column}, at threshold {report.threshold:.4f}",
            (report.column, "people", "FMR", "of all", "FNMR", "of all"),
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
    for reason in findings.left_out:
        note(f"left out: {reason}")
