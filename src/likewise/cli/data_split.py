"""``likewise data split``: photos on sides that share nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, Root, note, print_json, print_table

__all__ = ["split"]


def split(
    source: Annotated[
        Path, typer.Argument(help="Photos: a folder of identities, a table, an archive, …")
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder of the manifests.")],
    val: Annotated[
        str | None, typer.Option("--val", help="Identities for validation: 20, or 10%.")
    ] = None,
    test: Annotated[
        str | None, typer.Option("--test", help="Identities for the test: 20, or 10%.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Cross-validation instead: how many folds.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="What is drawn; the same, the same.")] = 0,
    parquet: Annotated[bool, typer.Option("--parquet", help="Parquet instead of CSV.")] = False,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Divide photos by identity: train, val and test, or folds; nobody is on two sides.

    Writes split.csv with a column split, or fold_1.csv … with a column fold too.

    Example: likewise data split photos/ --out splits --val 10% --test 10%
    """
    from likewise.data.formats import read_manifest
    from likewise.data.formats.table import write_table
    from likewise.data.repeats import without_repeats
    from likewise.data.splits import cross_validation, train_val_test, without_places
    from likewise.errors import InputError
    from likewise.storage import output_folder

    if folds is not None and (val is not None or test is not None):
        raise InputError("--folds takes the place of --val and --test; give one or the other")
    if out.suffix.lower() in (".csv", ".parquet"):
        raise InputError(f"--out {out}: a folder is expected; the manifests are written into it")
    manifest = without_repeats(read_manifest(source, root))
    if folds is None:
        divided = train_val_test(manifest, val=val or "10%", test=test or "10%", seed=seed)
        found = {"split": divided}
    else:
        each = cross_validation(manifest, folds, seed=seed)
        found = {f"fold_{number}": fold for number, fold in enumerate(each, start=1)}
    output_folder(out)
    files = []
    for name, divided in found.items():
        path = out / f"{name}.{'parquet' if parquet else 'csv'}"
        write_table(without_places(divided), path)
        sides = {side: divided.split(side) for side in ("train", "val", "test")}
        counts = {
            side: {"photos": len(part), "identities": len(part.identities)}
            for side, part in sides.items()
            if len(part)
        }
        files.append({"file": str(path), **counts})
    if as_json:
        print_json({"root": str(manifest.root), "seed": seed, "files": files})
        return
    rows = [
        (Path(str(entry["file"])).name, side, f"{n['photos']:,}", f"{n['identities']:,}")
        for entry in files
        for side, n in entry.items()
        if isinstance(n, dict)
    ]
    print_table(str(out), ("manifest", "side", "photos", "identities"), rows)
    note(f"use them with: --root {manifest.root}")
