"""``likewise data convert``: photos from one format into another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, Root, note, print_json

__all__ = ["convert"]


def convert(
    source: Annotated[
        Path, typer.Argument(help="Photos: a folder of identities, a table, an archive, …")
    ],
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    to: Annotated[str, typer.Option("--to", help="folder, recordio, tar or parquet.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a conversion that was stopped.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Read the output again, and compare.")
    ] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Decode every photo too; count the broken ones.")
    ] = False,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write labelled photos in another format, byte by byte the same.

    Example: likewise data convert photos/ shards/ --to tar
    """
    from likewise.data.convert import convert as work

    done = work(source, out, to, root=root, resume=resume, verify=verify, check=check)
    if as_json:
        print_json(asdict(done))
        return
    for bad in done.named:
        note(f"broken: {bad['path']}: {bad['reason']}")
    if done.broken:
        note(f"{done.broken:,} broken {'photo was' if done.broken == 1 else 'photos were'} copied")
    typer.echo(
        f"{done.photos:,} photos of {done.identities:,} identities, {done.bytes / 2**20:,.1f} MiB"
        f"{', verified' if done.verified else ''}: {out}"
    )
