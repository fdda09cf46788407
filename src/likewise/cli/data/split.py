"""``likewise data split``: split photos by identity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table

__all__ = ["split"]


def split(
    data: options.Photos,
    out: options.Out,
    val_identities: options.ValIdentities = None,
    test_identities: Annotated[
        str | None,
        typer.Option("--test-identities", help="Identities for the test: a number, or like 10%."),
    ] = None,
    folds: options.FoldsOrNone = None,
    seed: options.Seed = 0,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write Parquet instead of CSV.")
    ] = False,
    root: options.Root = None,
    format: options.Format = None,
    as_json: options.AsJson = False,
) -> None:
    """Split photos by identity into train, val and test, or into cross-validation folds.

    No identity is in two splits. --out receives split.csv with a column split; with --folds it
    receives fold_1.csv, fold_2.csv, … with a column fold too. By default val and test have 10% of
    the identities each.

    Example: likewise data split photos/ --out splits --val-identities 10% --test-identities 10%
    """
    from likewise.data.formats import read_manifest
    from likewise.data.formats.table import write_table
    from likewise.data.repeats import without_repeats
    from likewise.data.splits import cross_validation, train_val_test, without_places
    from likewise.errors import InputError
    from likewise.storage import output_folder

    if folds is not None and (val_identities is not None or test_identities is not None):
        raise InputError("--folds: takes the place of --val-identities and --test-identities")
    if out.suffix.lower() in (".csv", ".parquet"):
        raise InputError(f"--out {out}: must be a folder; the manifests are written into it")
    manifest = without_repeats(read_manifest(data, root, format=format))
    if folds is None:
        divided = train_val_test(
            manifest, val=val_identities or "10%", test=test_identities or "10%", seed=seed
        )
        found = {"split": divided}
    else:
        each = cross_validation(manifest, folds, seed=seed)
        found = {f"fold_{number}": fold for number, fold in enumerate(each, start=1)}
    output_folder(out)
    files = []
    for name, divided in found.items():
        path = out / f"{name}.{'parquet' if parquet else 'csv'}"
        write_table(without_places(divided), path)
        splits = {name: divided.split(name) for name in ("train", "val", "test")}
        counts = {
            name: {"photos": len(part), "identities": len(part.identities)}
            for name, part in splits.items()
            if len(part)
        }
        files.append({"file": str(path), **counts})
    if as_json:
        print_json({"root": str(manifest.root), "seed": seed, "files": files})
        return
    rows = [
        (Path(str(entry["file"])).name, key, f"{n['photos']:,}", f"{n['identities']:,}")
        for entry in files
        for key, n in entry.items()
        if isinstance(n, dict)
    ]
    print_table(str(out), ("manifest", "split", "photos", "identities"), rows)
    note(f"use them with: --root {manifest.root}")
