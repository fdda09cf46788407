"""``likewise data clean``: write a manifest without the faults that an inspection found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table

__all__ = ["clean"]


def clean(
    data: options.Photos,
    inspection: Annotated[
        Path, typer.Option("--inspection", help="inspect.json of `data inspect`, or its folder.")
    ],
    out: options.Out,
    drop: Annotated[
        str,
        typer.Option(
            "--drop", help="Photos to drop: broken, duplicates, mislabeled; separated by commas."
        ),
    ] = "broken,duplicates",
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge identities that are the same person.")
    ] = False,
    mislabel_probability: Annotated[
        float,
        typer.Option(
            "--mislabel-probability",
            help="Lowest probability at which a photo counts as mislabeled.",
        ),
    ] = 0.9,
    merge_share_false: Annotated[
        float,
        typer.Option(
            "--merge-share-false", help="Largest q-value (false discovery rate) of a merge."
        ),
    ] = 0.01,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a manifest without the faulty photos that `likewise data inspect` found.

    The manifest --out is a .csv, .parquet or .arrow file; no photo is deleted or moved. A second
    file, .changes.csv, lists each photo that was dropped or renamed with the reason, the evidence,
    and the photo or person that it was compared with.

    Example: likewise data clean photos/ --inspection report --drop duplicates --out clean.csv
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
    cleaned = clean_manifest(manifest, read_inspection(inspection, manifest), rules)
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
    note(f"changes and their reasons: {changes}")
