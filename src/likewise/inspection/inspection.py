"""The result of an inspection: its findings, and what it shows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from likewise.arrays import data_frame
from likewise.inspection.findings import Findings, InspectSettings
from likewise.inspection.record import record
from likewise.inspection.summary import summary_table
from likewise.pages.shown import ROWS, Shown, Table, View

__all__ = ["InspectSettings", "Inspection"]

FAULTS = ("fault", "path", "identity", "other", "score", "reason")


@dataclass(frozen=True, repr=False)
class Inspection(Findings, Shown):
    """The findings in a set of photos; in a notebook it shows its summary."""

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``: a row for each photo or pair of photos with a fault.

        Columns: ``fault`` (``broken``, ``duplicate`` or ``mislabeled``), ``path``, ``identity``,
        ``other`` (the path of the duplicate, or the identity that a mislabeled photo resembles),
        ``score`` (of the duplicate, or the probability that the label is wrong) and ``reason``
        (why a photo is broken, or the kind of the duplicate).
        """
        faults = self._faults()
        return data_frame(
            {name: [fault[place] for fault in faults] for place, name in enumerate(FAULTS)}
        )

    def _faults(self) -> list[tuple[object, ...]]:
        values = record(self)
        identities = self.manifest.table["identity"]
        faults: list[tuple[object, ...]] = [
            ("broken", one["path"], identities[one["row"]].as_py(), None, None, one["reason"])
            for one in values["broken"]
        ]
        labels = values["labels"] or {"mislabels": []}
        faults += [
            ("mislabeled", one["path"], one["identity"], one["resembles"], one["probability"], None)
            for one in labels["mislabels"]
        ]
        faults += [
            ("duplicate", one["left"], one["left_identity"], one["right"], one["score"],
             one["kind"])
            for one in values["duplicates"]["found"]
        ]  # fmt: skip
        return faults

    def _view(self) -> View:
        values, lines = record(self), list(self.notes)
        if self.ability is not None and not self.ability.sufficient:
            lines.insert(0, "This model is too weak for this set: labels were not checked.")
        title = f"Inspection of {values['data']}: {values['photos']:,} photos"
        faults = self._faults()
        tables = [Table(("", ""), summary_table(values), most=20)]
        if faults:
            tables.append(Table(FAULTS, faults[:ROWS], count=len(faults)))
        return View(title, lines, tables)
