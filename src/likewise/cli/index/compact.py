"""``likewise index compact``: delete removed vectors from the files of an index."""

from __future__ import annotations

import typer

from likewise.cli import options
from likewise.cli.output import print_json

__all__ = ["compact"]


def compact(
    index: options.IndexFolder,
    as_json: options.AsJson = False,
) -> None:
    """Delete the vectors, ids and metadata that were removed from an index from its files, too.

    Until then they stay in the files, marked as removed. The index is rebuilt with its own
    settings, which takes as long as the first build, and replaced in one step.

    Example: likewise index compact index
    """
    from likewise.errors import InputError
    from likewise.search.index import Index
    from likewise.search.milvus.pointer import FAMILY, family_in
    from likewise.storage import require_writable

    if family_in(index) == FAMILY:
        raise InputError(
            f"{index}: its vectors are on a Milvus server, which deletes removed ones itself"
        )
    require_writable(index)
    opened = Index.load(index)
    deleted = opened.compact(index)
    if as_json:
        print_json({"index": str(index), "removed": deleted, "count": len(opened)})
        return
    typer.echo(f"{index}: {len(opened):,} vectors; {deleted:,} removed ones were deleted from disk")
