"""``likewise data inspect``: find faults in a set of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table

__all__ = ["inspect"]


def inspect(
    data: options.Photos,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", help="Other photos, to find people and photos that are in both sets."
        ),
    ] = None,
    model: options.ModelOrNone = None,
    embeddings: Annotated[
        Path | None,
        typer.Option("--embeddings", help="Embeddings of DATA: .parquet, or .npy with --ids."),
    ] = None,
    ids: options.Ids = None,
    against_embeddings: Annotated[
        Path | None,
        typer.Option("--against-embeddings", help="Embeddings of the photos of --against."),
    ] = None,
    against_ids: Annotated[
        Path | None,
        typer.Option(
            "--against-ids", help="Names of the rows of a .npy file of --against-embeddings."
        ),
    ] = None,
    out: options.OutOrNone = None,
    max_examples: Annotated[
        int,
        typer.Option(
            "--max-examples", min=1, max=200, help="Maximum examples per kind on the page."
        ),
    ] = 24,
    false_alarms: Annotated[
        float,
        typer.Option("--false-alarms", help="Probability of a false match between the two sets."),
    ] = 0.01,
    share_false: Annotated[
        float,
        typer.Option(
            "--share-false",
            help="False discovery rate among identities reported as one person.",
        ),
    ] = 0.1,
    same_pixels: Annotated[
        float,
        typer.Option("--same-pixels", help="Lowest correlation of thumbnails for near-duplicates."),
    ] = 0.95,
    same_shot: Annotated[
        float | None,
        typer.Option(
            "--same-shot",
            help="Lowest correlation of thumbnails for duplicates by embedding; measured on "
            "synthetic copies by default.",
        ),
    ] = None,
    noise_error: Annotated[
        float,
        typer.Option(
            "--noise-error",
            help="False match rate of the threshold that label noise is estimated with.",
        ),
    ] = 0.05,
    search_limit: Annotated[
        int,
        typer.Option(
            "--search-limit",
            min=0,
            help="Maximum photos for the search for duplicates by embedding.",
        ),
    ] = 500_000,
    headers_only: Annotated[
        bool,
        typer.Option(
            "--headers-only",
            help="Read only sizes and formats: decode no photo, search for no duplicates.",
        ),
    ] = False,
    device: options.Device = "auto",
    root: options.Root = None,
    format: options.Format = None,
    detect: options.Detect = None,
    as_json: options.AsJson = False,
) -> None:
    """Inspect photos: counts, broken files, duplicates, wrong labels, and leakage between sets.

    Without a model, duplicates are found by their pixels. With --model or --embeddings, labels are
    checked too, after a test that the embeddings tell these identities apart. --out receives
    inspect.json and inspect.html.

    Example: likewise data inspect photos/ --model runs/photos/model --against test/ --out report
    """
    from likewise.cli.detection import align_for_model
    from likewise.data.embeddings import read_embeddings
    from likewise.data.formats import read_manifest
    from likewise.errors import InputError
    from likewise.inspection import InspectSettings, inspect_photos, write_inspection
    from likewise.inspection.record import record
    from likewise.inspection.summary import summary_lines, summary_table
    from likewise.models.loading import load
    from likewise.storage import require_writable

    settings = InspectSettings(
        headers_only, false_alarms, share_false, same_pixels, same_shot, noise_error, search_limit
    )
    for option, value, needed, needed_value in (
        ("--against-embeddings", against_embeddings, "--against", against),
        ("--ids", ids, "--embeddings", embeddings),
        ("--against-ids", against_ids, "--against-embeddings", against_embeddings),
    ):
        if value is not None and needed_value is None:
            raise InputError(f"{option}: needs {needed}")
    embedded = model is not None or embeddings is not None
    if against_embeddings is not None and not embedded:
        raise InputError("--against-embeddings: needs --embeddings or --model for the photos too")
    against_missing = model is None and embeddings is not None and against_embeddings is None
    if against is not None and against_missing:
        raise InputError(
            f"--against {against}: people are compared by embeddings; give --against-embeddings "
            "too, or --model"
        )
    if out is not None:
        require_writable(out)
    embedder = None if model is None else load(model, device=device)
    manifest = read_manifest(data, root, format=format)
    others = None if against is None else read_manifest(against)
    if detect:
        manifest, _ = align_for_model(embedder, manifest, True, source=data)
        if others is not None and against is not None:
            others, _ = align_for_model(embedder, others, True, source=against)
    found = inspect_photos(
        manifest,
        None if embeddings is None else read_embeddings(embeddings, ids),
        against=others,
        against_embeddings=(
            None if against_embeddings is None else read_embeddings(against_embeddings, against_ids)
        ),
        embedder=embedder,
        settings=settings,
        check_alignment=detect is None,
    )
    if out is not None:
        note(f"page: {write_inspection(found, out, examples=max_examples)}")
    values = record(found)
    if as_json:
        print_json(values)
        return
    print_table(f"Inspection of {data.name}", ("", ""), summary_table(values))
    for photo in values["broken"][:10]:
        note(f"cannot be read: {photo['path']}: {photo['reason']}")
    for line in summary_lines(values)[1:]:
        typer.echo(line)
    for line in found.notes:
        note(f"note: {line}")
    if not embedded:
        note("note: labels were not checked; that needs --model or --embeddings")
