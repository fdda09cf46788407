"""``likewise data bin``: pairs and their photos as one validation set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, Root, print_json

__all__ = ["make_bin"]


def make_bin(
    source: Annotated[Path, typer.Argument(help="The photos that the pairs name.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="LFW's pairs.txt, a CSV, CFP's folder.")],
    out: Annotated[Path, typer.Option("--out", help="The .bin file to write.")],
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write pairs and their photos as a .bin validation set, which InsightFace reads too.

    The photos go in as they are: align and crop them first, as the network expects them.

    Example: likewise data bin aligned/ --pairs pairs.txt --out lfw.bin
    """
    from likewise.data.formats import read_manifest
    from likewise.data.protocols import read_pairs
    from likewise.data.protocols.verification_bin import pack_pairs
    from likewise.errors import InputError

    if out.suffix.lower() != ".bin":
        raise InputError(f"--out {out}: a validation set is written as .bin")
    chosen = read_pairs(pairs)
    pack_pairs(out, chosen, read_manifest(source, root))
    size = out.stat().st_size
    if as_json:
        print_json({"file": str(out), "pairs": len(chosen), "bytes": size})
    else:
        typer.echo(f"{len(chosen):,} pairs, {size / 2**20:,.1f} MiB: {out}")
