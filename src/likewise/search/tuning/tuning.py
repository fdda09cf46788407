"""The result of tuning: the chosen index, all measured points, and the evidence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from likewise.arguments import one_of
from likewise.arrays import as_array, as_table, data_frame
from likewise.data.embeddings import EXTERNAL
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.pages.shown import Shown, Table, View
from likewise.search.index import Index
from likewise.search.tuning.candidate import resident_bytes
from likewise.search.tuning.effective_sample_size import effective_group_count
from likewise.search.tuning.evidence import Evidence, data_fingerprint, quantiles_of
from likewise.search.tuning.frontier import Point, settings_text
from likewise.search.tuning.ground_truth import leave_one_out
from likewise.search.tuning.probes import indexed_note
from likewise.search.tuning.target import Limits, Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

__all__ = ["Tuning"]


@dataclass(frozen=True, repr=False)
class Tuning(Shown):
    """The result of ``tune``.

    Args:
        pick: the fastest point that reaches the target; its recalls are those on the selection
            probes, the evidence has those on the validation probes.
        exact: exact search, the reference of speed.
        points: all points over all vectors.
        samples: the points measured on samples.
        not_tried: the families that could not be tried, with the reason.
        dropped: the candidates that were dropped, with the reason.
        reason: why the pick was chosen, in a sentence.
        evidence: the measurements that the index will keep.
        target: what was asked for.
        limits: what the index may cost.
        metric: of the vectors.
        given: how many queries were given; None if they were held out.
        vectors: as given to ``tune``.
    """

    pick: Point
    exact: Point
    points: tuple[Point, ...]
    samples: tuple[Point, ...]
    not_tried: Mapping[str, str]
    dropped: Mapping[str, str]
    reason: str
    evidence: Evidence
    target: Target
    limits: Limits
    metric: str | Mahalanobis
    given: int | None = None
    vectors: ArrayLike | None = field(default=None, repr=False, compare=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the given queries."""
        indexed = 0 if self.given is None else self.given - sum(self.evidence.probes)
        if not indexed:
            return ()
        return (
            f"{indexed_note(indexed, self.given or 0)}; they are left out, because they would find "
            "themselves",
        )

    def build(
        self,
        vectors: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        *,
        fingerprint: str = EXTERNAL,
        items: Any = None,
    ) -> Index:
        """Build the chosen index over all vectors, held-out ones included; it keeps the evidence.

        Args:
            vectors: [N,D]; those given to ``tune`` if None.
            ids: see ``Index.build``.
            fingerprint: see ``Index.build``.
            items: see ``Index.build``.

        Raises:
            InputError: see ``Index.build``.
        """
        rows = self.vectors if vectors is None else as_array(vectors, "vectors")
        items = None if items is None else as_table(items, "items")
        if rows is None:
            raise InputError("vectors: not kept by this tuning; give them")
        built = Index.build(
            rows, ids, family=self.pick.family, settings=self.pick.settings,
            search_settings=self.pick.search, metric=self.metric, fingerprint=fingerprint,
            items=items,
        )  # fmt: skip
        measured = self.evidence
        truth = leave_one_out(built, measured.k, measured.threshold, seed=measured.seed)
        validation = measured.independent[0] if measured.independent else measured.probes[1]
        exact_memory = measured.exact_memory - self.limits.items_bytes
        items_bytes = 0 if items is None else items.nbytes
        evidence = replace(
            measured,
            own=truth.measure(built.in_mapped_space()),
            independent=(float(validation), effective_group_count(truth.probes.groups)),
            nearest_own=quantiles_of(truth.nearest_scores),
            memory=resident_bytes(built),
            exact_memory=round(exact_memory * len(built) / measured.count) + items_bytes,
            count=len(built),
            data=data_fingerprint(rows),
        )
        built.evidence = evidence.to_dict()
        return built

    def command(self, data: str, out: str = "index", ids: str | None = None) -> str:
        """The command that builds the chosen index without tuning again.

        Args:
            data: the file of embeddings.
            out: the folder of the index.
            ids: the file with the names of the rows of a .npy file.
        """
        names = "" if ids is None else f" --ids {shlex.quote(ids)}"
        places = f"{shlex.quote(data)}{names} --out {shlex.quote(out)}"
        words = [f"likewise index build {places} --family {self.pick.family}"]
        words += [f"--build-parameter {name}={value}" for name, value in self.pick.settings.items()]
        words += [f"--search-parameter {name}={value}" for name, value in self.pick.search.items()]
        if isinstance(self.metric, str) and self.metric != "cosine":
            words.append(f"--distance {shlex.quote(self.metric)}")
        return " ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the report."""
        return {
            "aim": {**self.target.recalls, "k": self.target.k, "batch": self.target.batch,
                    "latency_s": self.target.latency, "threshold": self.evidence.threshold},
            "limits": {"memory_bytes": self.limits.memory, "build_s": self.limits.build},
            "pick": self.pick.to_dict(),
            "reason": self.reason,
            "notes": list(self.notes),
            "evidence": self.evidence.to_dict(),
            "exact": self.exact.to_dict(),
            "points": [point.to_dict() for point in self.points],
            "samples": [point.to_dict() for point in self.samples],
            "not_tried": dict(self.not_tried),
            "dropped": dict(self.dropped),
        }  # fmt: skip

    def plot_frontier(self, ax: Axes | None = None, *, by: str | None = None) -> Axes:
        """Draw recall against speed: all points, the frontier, and the chosen one in a ring.

        Args:
            ax: axes of matplotlib; a new figure if None.
            by: ``recall`` or ``mates``; by default what was asked for.

        Returns:
            The axes.

        Raises:
            InputError: ``by`` was not measured.
        """
        from likewise.search.tuning.frontier_plot import frontier_plot

        by = self._aim if by is None else one_of("by", by, tuple(self.exact.recalls))
        return frontier_plot(self, by).on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``: a row for each point over all vectors, the fastest first."""
        points = self._fastest_first()
        columns: dict[str, list[object]] = {
            "family": [point.family for point in points],
            "settings": [settings_text(point.settings) for point in points],
            "search": [settings_text(point.search) for point in points],
        }
        for name in self.exact.recalls:
            known = [point.recalls.get(name) for point in points]
            columns[name] = [None if recall is None else recall.value for recall in known]
            columns[f"{name}_low"] = [None if recall is None else recall.low for recall in known]
        columns["ms"] = [1000 * point.seconds for point in points]
        columns["memory_mb"] = [point.memory / 1e6 for point in points]
        columns["build_s"] = [point.build_s for point in points]
        columns["chosen"] = [point is self.pick for point in points]
        return data_frame(columns)

    @property
    def _aim(self) -> str:
        """The recall that was asked for first."""
        return next(iter(self.target.recalls))

    def _fastest_first(self) -> list[Point]:
        return sorted(self.points, key=lambda point: point.seconds)

    def _view(self) -> View:
        evidence, names = self.evidence, list(self.exact.recalls)
        recalls = ", ".join(
            f"{name} {found.value:.4f} (above {found.low:.4f} with 95 % confidence)"
            for name, found in evidence.recalls.items()
        )
        lines = [
            self.reason,
            recalls,
            f"{1000 * evidence.seconds:.3g} ms a query, {evidence.memory / 1e6:,.1f} MB",
            *self.notes,
        ]
        rows = [
            (
                point.family,
                " / ".join(filter(None, map(settings_text, (point.settings, point.search)))),
                *(point.recalls[n].value if n in point.recalls else None for n in names),
                1000 * point.seconds,
                round(point.memory / 1e6, 1),
                "chosen" if point is self.pick else "",
            )
            for point in sorted(self._fastest_first(), key=lambda point: point is not self.pick)
        ]
        header = ("family", "settings", *names, "ms", "MB", "")
        return View(f"Tuning: {self.name}", lines, [Table(header, rows)])

    def _plots(self) -> Sequence[Plot]:
        from likewise.search.tuning.frontier_plot import frontier_plot

        return (frontier_plot(self, self._aim),)

    @property
    def name(self) -> str:
        """The chosen index in one line: family, build and search settings."""
        words = (self.pick.family, settings_text(self.pick.settings))
        searching = settings_text(self.pick.search)
        built = " ".join(word for word in words if word)
        return f"{built} / {searching}" if searching else built
