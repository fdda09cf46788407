"""``likewise data bin``: write a .bin validation set."""

from __future__ import annotations

import typer

from likewise.cli import options
from likewise.cli.output import print_json

__all__ = ["make_bin"]


def make_bin(
    data: options.Photos,
    pairs: options.Pairs,
    out: options.Out,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Write pairs and their photos as a .bin validation set, the format of InsightFace.

    The photos are stored as they are: align and crop them for the network before.

    Example: likewise data bin aligned/ --pairs pairs.txt --out lfw.bin
    """
    from likewise.data.formats import read_manifest
    from likewise.data.protocols import read_pairs
    from likewise.data.protocols.verification_bin import pack_pairs
    from likewise.errors import InputError

    if out.suffix.lower() != ".bin":
        raise InputError(f"--out {out}: must end in .bin")
    chosen = read_pairs(pairs)
    pack_pairs(out, chosen, read_manifest(data, root))
    size = out.stat().st_size
    if as_json:
        print_json({"file": str(out), "pairs": len(chosen), "bytes": size})
    else:
        typer.echo(f"{len(chosen):,} pairs, {size / 2**20:,.1f} MiB: {out}")
