"""What came of a set of photos that was aligned: counts, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from likewise.data.images import BadImage
from likewise.errors import first_few
from likewise.faces.aligned_set.outcome import BROKEN, NONE, ONE, SEVERAL, Outcome
from likewise.faces.choice import KEEP

__all__ = ["AlignmentReport"]

NO_FACE = "no face in it"


@dataclass(frozen=True)
class AlignmentReport:
    """The outcome of every photo of a set.

    Args:
        alignment: to what the faces were aligned; see ``likewise.data.alignment``.
        outcomes: in the order of the photos, each photo once.
        done_now: how many were aligned by this run; the others were there already.
        keep: which of several faces were taken; see ``choice.KEEP``.
        gone: how many photos are in the output and no longer in the source.
    """

    alignment: str
    outcomes: Sequence[Outcome]
    done_now: int
    keep: str = "main"
    gone: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """The photos with one face, several and none, and the broken ones."""
        found = Counter(outcome.status for outcome in self.outcomes)
        return {status: found[status] for status in (ONE, SEVERAL, NONE, BROKEN)}

    @property
    def crops(self) -> int:
        """The crops of all photos."""
        return sum(len(outcome.taken) for outcome in self.outcomes)

    @property
    def left_out(self) -> list[BadImage]:
        """The photos without a crop, each with its reason."""
        return [
            BadImage(outcome.name, outcome.reason or NO_FACE)
            for outcome in self.outcomes
            if outcome.status in (NONE, BROKEN)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Counts, and the photos that were left out by name, for JSON."""
        return {
            "alignment": self.alignment,
            "photos": len(self.outcomes),
            "crops": self.crops,
            **self.counts,
            "aligned_now": self.done_now,
            "gone": self.gone,
            "left_out": [{"path": bad.name, "reason": bad.reason} for bad in self.left_out],
        }

    def lines(self) -> list[str]:
        """One sentence for each thing that a user should know."""
        counts, total = self.counts, len(self.outcomes)
        with_face = counts[ONE] + counts[SEVERAL]
        lines = [f"{with_face:,} of {total:,} photos have a face, aligned to {self.alignment}"]
        if self.done_now < total:
            lines[0] += f" ({total - self.done_now:,} were aligned before)"
        if counts[SEVERAL]:
            lines.append(f"{counts[SEVERAL]:,} have several; taken: {KEEP[self.keep]}")
        for status, what in ((NONE, "no face"), (BROKEN, "broken")):
            names = [outcome.name for outcome in self.outcomes if outcome.status == status]
            if names:
                lines.append(f"left out, {what}: {len(names):,} ({first_few(names)})")
        if self.gone:
            lines.append(f"{self.gone:,} photos are no longer in the source; their crops were kept")
        return lines
