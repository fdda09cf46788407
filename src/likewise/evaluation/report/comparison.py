"""Comparison of two reports on their common pairs: is one system significantly better?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import REPLICATES, Interval
from likewise.evaluation.intervals.paired_bootstrap import Difference, paired_bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.report.plots import rocs_plot
from likewise.evaluation.report.score_file import ScoreFile, read_scores
from likewise.evaluation.verification.metrics import Verification, verification
from likewise.evaluation.verification.roc import roc
from likewise.pages.environment import render
from likewise.storage import read_json, write_json, write_text

__all__ = ["Comparison", "compare_reports", "write_comparison"]


@dataclass(frozen=True)
class Comparison:
    """Two systems on the pairs that both reports have.

    Args:
        names: of the two systems: their folders.
        measured: the metrics of each, on the shared pairs.
        difference: the first minus the second, with confidence intervals over identities.
        pairs: the number of shared pairs.
        left_out: the number of pairs that only the first report has, and only the second.
        settings: of each report.
        scores: of each system, on the shared pairs.
        same: whether each pair shows one person.
    """

    names: tuple[str, str]
    measured: tuple[Verification, Verification]
    difference: Difference
    pairs: int
    left_out: tuple[int, int]
    settings: tuple[dict[str, Any], dict[str, Any]]
    scores: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
    same: np.ndarray[Any, Any]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        systems = [
            {
                "report": name,
                "auc": measured.auc,
                "eer": measured.eer,
                "tar_at_far": {f"{e.target:g}": e.tar for e in measured.tar_at_far},
                "settings": settings,
            }
            for name, measured, settings in zip(
                self.names, self.measured, self.settings, strict=True
            )
        ]
        return {
            "systems": systems,
            "pairs": self.pairs,
            "left_out": list(self.left_out),
            "difference": asdict(self.difference),
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Each metric of both systems, and the difference, as text."""
        first, second = self.measured
        found = [
            ("AUC", f"{first.auc:.5f}", f"{second.auc:.5f}", _text(self.difference.auc)),
            ("EER", f"{first.eer:.3%}", f"{second.eer:.3%}", _text(self.difference.eer)),
        ]
        for one, other in zip(first.tar_at_far, second.tar_at_far, strict=True):
            gap = self.difference.at(one.target)
            if one.tar is not None and other.tar is not None and gap is not None:
                name = f"TAR at FAR {one.target:g}"
                found.append((name, f"{one.tar:.4f}", f"{other.tar:.4f}", _text(gap)))
        return found

    def verdict(self) -> str:
        """Which system has the better AUC, if the difference is significant."""
        gap = self.difference.auc
        level = f"{self.difference.level:.0%}"
        if gap.low <= 0 <= gap.high:
            return (
                f"No significant difference: the {level} confidence interval of the difference of "
                f"the AUCs, {gap.low:+.5f} to {gap.high:+.5f}, includes 0."
            )
        better = self.names[0] if gap.value > 0 else self.names[1]
        return (
            f"{better} is significantly better: the {level} confidence interval of the difference "
            f"of the AUCs is {gap.low:+.5f} to {gap.high:+.5f}."
        )


def _text(gap: Interval) -> str:
    mark = "" if gap.low <= 0 <= gap.high else " *"
    return f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f}){mark}"


def compare_reports(
    first: Path, second: Path, *, replicates: int = REPLICATES, seed: int = 0
) -> Comparison:
    """Compare two reports on the pairs that both have.

    The scores of the two may have different scales: only their order matters.

    Args:
        first: a folder that ``write_report`` wrote.
        second: another one.
        replicates: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: a folder is not a report, the reports share no pairs or disagree on the ground
            truth, or the identities are not known.
    """
    one, other = _each_once(first), _each_once(second)
    place = pc.index_in(one.pair, value_set=other.pair)
    shared = np.flatnonzero(pc.is_valid(place).to_numpy(zero_copy_only=False))
    if not len(shared):
        raise InputError(f"{first} and {second}: share no pair; evaluate both on the same data")
    there = place.take(pa.array(shared)).to_numpy()
    if (one.same[shared] != other.same[there]).any():
        raise InputError(f"{first} and {second}: disagree about which pairs show one person")
    pairs = _pairs(one, shared, first)
    scores = other.scores[there]
    return Comparison(
        names=_names(first, second),
        measured=(
            verification(pairs.scores, pairs.same),
            verification(scores, pairs.same),
        ),
        difference=paired_bootstrap(pairs, scores, replicates=replicates, seed=seed),
        pairs=len(shared),
        left_out=(len(one.scores) - len(shared), len(other.scores) - len(shared)),
        settings=(_settings(first), _settings(second)),
        scores=(pairs.scores, scores),
        same=pairs.same,
    )


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The names of the folders, or their paths if the names are the same."""
    if first.name != second.name:
        return first.name, second.name
    return str(first), str(second)


def _each_once(folder: Path) -> ScoreFile:
    """The scores of a report, each pair once; the order of its two photos does not matter."""
    found = read_scores(folder)
    distinct = pc.unique(found.pair)
    if len(distinct) == len(found.pair):
        return found
    which = pc.index_in(found.pair, value_set=distinct).to_numpy()
    _, first = np.unique(which, return_index=True)
    again = first[which]
    conflict = (found.same != found.same[again]) | ~np.isclose(found.scores, found.scores[again])
    if conflict.any():
        row = int(np.argmax(conflict))
        one, other = found.pair[row].as_py().split("\0")
        raise InputError(
            f"{folder}: the pair {one!r} and {other!r} is in rows {again[row] + 1} and {row + 1} "
            "with different scores or labels; remove one of the rows"
        )
    return found.take(first)


def _pairs(scores: ScoreFile, rows: np.ndarray[Any, Any], folder: Path) -> ScoredPairs:
    if scores.left is None or scores.right is None:
        raise InputError(f"{folder}: has no identities, which confidence intervals need")
    left, right = (
        side.to_numpy(zero_copy_only=False)[rows] for side in (scores.left, scores.right)
    )
    return scored_pairs(scores.scores[rows], scores.same[rows], left, right)


def _settings(folder: Path) -> dict[str, Any]:
    values = read_json(folder / "report.json")
    found = values.get("settings") if isinstance(values, dict) else None
    return found if isinstance(found, dict) else {}


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison.json`` and ``comparison.html``; returns the page."""
    write_json(folder / "comparison.json", comparison.to_dict())
    curves = [roc(scores, comparison.same) for scores in comparison.scores]
    impostor = comparison.measured[0].impostor
    keys = sorted({*comparison.settings[0], *comparison.settings[1]})
    html = render(
        "comparison",
        comparison=comparison,
        rows=comparison.rows(),
        curves=rocs_plot(dict(zip(comparison.names, curves, strict=True)), impostor),
        settings=[(key, *(str(s.get(key, "–")) for s in comparison.settings)) for key in keys],
    )
    write_text(folder / "comparison.html", html)
    return folder / "comparison.html"
