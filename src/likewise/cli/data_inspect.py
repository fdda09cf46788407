"""``likewise data inspect``: what is in this set of photos?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.output import AsJson, Device, Root, note, print_json, print_table

__all__ = ["inspect"]


def inspect(
    data: Annotated[Path, typer.Argument(help="A folder of identities, a CSV or a Parquet.")],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Another set: who, and which photos, are in both?"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option("--embeddings", help="Of these photos: .parquet, or .npy with --ids."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    against_embeddings: Annotated[
        Path | None, typer.Option("--against-embeddings", help="Of the photos of --against.")
    ] = None,
    against_ids: Annotated[
        Path | None, typer.Option("--against-ids", help="The names of its rows.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write inspect.json and inspect.html here.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=200, help="Examples of each kind on the page.")
    ] = 24,
    false_alarms: Annotated[
        float,
        typer.Option("--false-alarms", help="Chance at which a stranger is still called the same."),
    ] = 0.01,
    share_false: Annotated[
        float,
        typer.Option("--share-false", help="Of names called one person, the part that may be two."),
    ] = 0.1,
    same_pixels: Annotated[
        float, typer.Option("--same-pixels", help="Correlation from which on two are one picture.")
    ] = 0.95,
    same_shot: Annotated[
        float | None,
        typer.Option(
            "--same-shot",
            help="Correlation below which like embeddings are two shots; default: that of copies.",
        ),
    ] = None,
    noise_error: Annotated[
        float,
        typer.Option("--noise-error", help="Strangers' photos that count as explained, as a part."),
    ] = 0.05,
    search_limit: Annotated[
        int,
        typer.Option("--search-limit", min=0, help="Photos up to which all embeddings are paired."),
    ] = 500_000,
    headers_only: Annotated[
        bool, typer.Option("--headers-only", help="Quick: decode nothing, look for no doubles.")
    ] = False,
    device: Device = "auto",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Look at a set of photos: counts, broken files, doubles, wrong labels, people of two sets.

    Without a model it counts, decodes and finds doubles by their pixels; with one (or with
    embeddings) it judges labels too, if the model can tell these people apart: that is asked
    first.

    Example: likewise data inspect photos/ --model runs/photos/model --against test/ --out report
    """
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
    for option, value, needed, there in (
        ("--against-embeddings", against_embeddings, "--against", against),
        ("--ids", ids, "--embeddings", embeddings),
        ("--against-ids", against_ids, "--against-embeddings", against_embeddings),
    ):
        if value is not None and there is None:
            raise InputError(f"{option}: needs {needed}")
    embedded = model is not None or embeddings is not None
    if against_embeddings is not None and not embedded:
        raise InputError("--against-embeddings: needs --embeddings or --model for the photos too")
    alone = model is None and embeddings is not None and against_embeddings is None
    if against is not None and alone:
        raise InputError(
            f"--against {against}: people are compared by embeddings; give --against-embeddings "
            "too, or --model"
        )
    if out is not None:
        require_writable(out)
    found = inspect_photos(
        read_manifest(data, root),
        None if embeddings is None else read_embeddings(embeddings, ids),
        against=None if against is None else read_manifest(against),
        against_embeddings=(
            None if against_embeddings is None else read_embeddings(against_embeddings, against_ids)
        ),
        embedder=None if model is None else load(model, device=device),
        settings=settings,
    )
    if out is not None:
        note(f"page: {write_inspection(found, out, examples=limit)}")
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
        note("note: labels were not judged; name a model with --model")
