"""``likewise index check``: does an index still find what it promised?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.aim import Seed
from likewise.cli.output import AsJson, note, print_json, print_table

__all__ = ["check"]


def check(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            help="Embeddings that the index does not hold: .parquet, or .npy. Without, some of its "
            "own are searched.",
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option("--recall", help="What must be reached, if not what it was tuned for."),
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", "--k", min=1, help="How many a search asks for.")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=2, help="How many of its own to search.")
    ] = 1000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Measure an index's recall again; exit code 1 if it does not hold what it promised.

    Says too whether the data has moved since it was tuned.

    Example: likewise index check index --queries new_photos.parquet
    """
    from likewise.cli.probe_file import read_probes
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
            told = f"{measured.value:.4f} ({measured.low:.4f} to {measured.high:.4f})"
            then = (found.stated or {}).get(name)
            before = f"{then.value:.4f} ({then.low:.4f} to {then.high:.4f})" if then else "–"
            asked = f"{found.asked[name]:g}" if name in found.asked else "–"
            rows.append((f"{name} at k = {found.k}", told, before, asked))
        what = "of its own vectors, each left out" if found.sampled else "queries"
        title = f"{index}: {found.queries:,} {what}"
        print_table(title, ("", "now", "when it was tuned", "asked"), rows)
        if found.sampled:
            note("its own vectors show a change, not the recall of new ones; name some: --queries")
        for line in found.notes:
            note(line)
        for line in found.drift:
            note(f"drift: {line}")
        for line in found.failures:
            note(f"does not hold: {line}")
        if found.holds:
            typer.echo("holds" if found.asked or found.stated else "measured; nothing was promised")
    if not found.holds:
        raise typer.Exit(1)
