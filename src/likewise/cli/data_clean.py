"""``likewise data clean``: a manifest of what is worth keeping, and a list of what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, Root, note, print_json, print_table

__all__ = ["clean"]


def clean(
    data: Annotated[Path, typer.Argument(help="The photos that were inspected.")],
    source: Annotated[
        Path, typer.Option("--from", help="inspect.json, or the folder that it is in.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The manifest: .csv, .parquet or .arrow.")],
    drop: Annotated[
        str, typer.Option("--drop", help="Of broken, duplicates, mislabelled; with commas.")
    ] = "broken,duplicates",
    merge: Annotated[
        bool, typer.Option("--merge", help="Give people under two names one name.")
    ] = False,
    mislabel_probability: Annotated[
        float,
        typer.Option("--mislabel-probability", help="From which on a label counts as wrong."),
    ] = 0.9,
    merge_share_false: Annotated[
        float,
        typer.Option(
            "--merge-share-false", help="Of the merged pairs, the part that may be false."
        ),
    ] = 0.01,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write a manifest of the photos to keep, and beside it why the others go.

    No photo is deleted or moved. OUT.changes.csv lists each photo that is dropped or renamed, the
    reason, the evidence, and the photo or person that it was compared with.

    Example: likewise data clean photos/ --from report --drop broken,duplicates --out clean.csv
    """
    from likewise.data.formats import read_manifest
    from likewise.inspection.clean import CleanRules, clean_manifest, write_clean
    from likewise.inspection.record import read_inspection

    manifest = read_manifest(data, root)
    rules = CleanRules(
        tuple(part.strip() for part in drop.split(",") if part.strip()),
        merge,
        mislabel_probability,
        merge_share_false,
    )
    cleaned = clean_manifest(manifest, read_inspection(source, manifest), rules)
    changes = write_clean(cleaned, out)
    if as_json:
        print_json(
            {"manifest": str(out), "changes": str(changes), "root": str(manifest.root),
             "kept": len(cleaned.manifest), **cleaned.counts}
        )  # fmt: skip
        return
    rows = [("kept", f"{len(cleaned.manifest):,} of {len(manifest):,} photos")]
    rows += [(reason, f"{count:,}") for reason, count in cleaned.counts.items()]
    print_table(f"Cleaned {data.name}", ("", ""), rows)
    note(f"manifest: {out} (use it with --root {manifest.root})")
    note(f"what changed, and why: {changes}")
