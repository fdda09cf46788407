"""``likewise index compact``: what was removed from an index goes from its files, too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, print_json

__all__ = ["compact"]


def compact(
    index: Annotated[Path, typer.Argument(help="The index's folder; it is replaced in one step.")],
    as_json: AsJson = False,
) -> None:
    """Write an index anew without the vectors, ids and items that were removed from it.

    Until then they stay in its files, marked as removed. The engine is built again, with the
    index's own settings, which takes as long as it took at first.

    Example: likewise index compact index
    """
    from likewise.errors import InputError
    from likewise.search.index import Index
    from likewise.search.milvus.pointer import FAMILY, family_in
    from likewise.storage import require_writable

    if family_in(index) == FAMILY:
        raise InputError(
            f"{index}: its vectors are on a Milvus server, which drops what was removed by itself"
        )
    require_writable(index)
    opened = Index.load(index)
    gone = opened.compact(index)
    if as_json:
        print_json({"index": str(index), "removed": gone, "count": len(opened)})
        return
    typer.echo(
        f"{index}: {len(opened):,} vectors; {gone:,} that had been removed are gone from disk"
    )
