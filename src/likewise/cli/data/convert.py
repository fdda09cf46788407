"""``likewise data convert``: write photos in another format."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json
from likewise.cli.registration import out_of

__all__ = ["convert"]


def convert(
    context: typer.Context,
    data: options.Photos,
    to: options.To,
    old_out: Annotated[Path | None, typer.Argument(hidden=True)] = None,
    out: options.OutOrNone = None,
    resume: options.Resume = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Read the output back and compare it.")
    ] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Also decode every photo, and count the broken ones.")
    ] = False,
    root: options.Root = None,
    format: options.Format = None,
    split: options.Split = None,
    as_json: options.AsJson = False,
) -> None:
    """Convert labeled photos to another format; the bytes of each photo stay the same.

    The formats (--to) are folder, recordio, tar and parquet. --out is required: a new folder, or
    with --resume that of an interrupted conversion. --split takes one split of the photos alone.

    Example: likewise data convert photos/ --to tar --out shards/
    """
    from likewise.data.convert import convert as work
    from likewise.errors import InputError

    out = out_of(context, old_out, out)
    if out is None:
        raise InputError("--out: name the folder to write")
    done = work(
        data, out, to, root=root, resume=resume, verify=verify, check=check, format=format,
        split=None if split == "all" else split,
    )  # fmt: skip
    if as_json:
        print_json(asdict(done))
        return
    for bad in done.named:
        note(f"broken: {bad['path']}: {bad['reason']}")
    if done.broken:
        note(f"{done.broken:,} broken {'photo was' if done.broken == 1 else 'photos were'} copied")
    typer.echo(
        f"{done.photos:,} photos of {done.identities:,} identities, {done.bytes / 2**20:,.1f} MiB"
        f"{', read back and compared' if done.verified else ''}: {out}"
    )
