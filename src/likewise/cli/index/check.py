"""``likewise index check``: measure the recall of an index again."""

from __future__ import annotations

from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table

__all__ = ["check"]


def check(
    index: options.IndexFolder,
    queries: options.Queries = None,
    recall: options.Recall = None,
    k: options.NeighborsOrNone = None,
    count: Annotated[
        int,
        typer.Option("--count", min=2, help="Number of indexed vectors to sample as queries."),
    ] = 1000,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Measure the recall of an index again, and whether its data drifted since it was tuned.

    The exit code is 1 if the recall is below the one it was tuned for, or below --recall. By
    default -k is the one it was tuned for. Without --queries a sample of the indexed vectors is
    searched, each left out of its own result.

    Example: likewise index check index --queries new_photos.parquet
    """
    from likewise.cli.queries import read_probes
    from likewise.errors import InputError
    from likewise.search.index import Index
    from likewise.search.milvus.pointer import FAMILY, family_in
    from likewise.search.tuning.check import check as checked

    if family_in(index) == FAMILY:
        raise InputError(
            f"{index}: its vectors are on a Milvus server, whose recall is not checked"
        )
    opened = Index.load(index)
    probes = None
    if queries is not None:
        probes = read_probes(queries, opened.fingerprint, opened.items)
    found = checked(opened, probes, recall=recall, k=k, count=count, seed=seed)
    if as_json:
        print_json({"index": str(index), **found.to_dict()})
    else:
        rows = []
        for name, measured in found.recalls.items():
            now = f"{measured.value:.4f} ({measured.low:.4f} to {measured.high:.4f})"
            then = (found.stated or {}).get(name)
            before = f"{then.value:.4f} ({then.low:.4f} to {then.high:.4f})" if then else "–"
            asked = f"{found.asked[name]:g}" if name in found.asked else "–"
            rows.append((f"{name} at k = {found.k}", now, before, asked))
        kind = "sampled vectors of the index" if found.sampled else "queries"
        title = f"{index}: {found.queries:,} {kind}"
        print_table(title, ("", "now", "when tuned", "target"), rows)
        if found.sampled:
            note(
                "the recall of indexed vectors shows changes only; give new queries with --queries"
            )
        for line in found.notes:
            note(line)
        for line in found.drift:
            note(f"drift: {line}")
        for line in found.failures:
            note(f"failed: {line}")
        if found.holds:
            typer.echo(
                "passed" if found.asked or found.stated else "measured; no recall to compare with"
            )
    if not found.holds:
        raise typer.Exit(1)
