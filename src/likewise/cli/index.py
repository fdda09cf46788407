"""``likewise index``: build an index of embeddings, and search it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Device,
    Flip,
    Model,
    OnBad,
    Root,
    add_command,
    print_bad,
    print_json,
    print_table,
)

__all__ = ["app"]

app = typer.Typer(help="Build an index of photos, and find the most alike.", no_args_is_help=True)


def build(
    data: Annotated[Path, typer.Argument(help="Photos (with --model), or a file of embeddings.")],
    out: Annotated[Path, typer.Option("--out", help="The index's folder.")] = Path("index"),
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="cosine, dot, euclidean, manhattan or mahalanobis:FILE.npy.",
        ),
    ] = "cosine",
    family: Annotated[
        str, typer.Option("--family", help="How it searches: exact, hnsw, ivf_flat, …")
    ] = "exact",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A build knob of the family: KNOB=VALUE; repeatable."),
    ] = None,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Build an index; an existing one is replaced in one step.

    Example: likewise index build photos/ --model runs/photos/model --out index
    """
    from likewise.cli.source import embeddings_of
    from likewise.search.index import Index
    from likewise.search.knobs import parse_settings
    from likewise.storage import output_folder

    output_folder(out)
    source = embeddings_of(
        data, model, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    embeddings = source.embeddings
    built = Index.build(
        embeddings.vectors,
        family=family,
        settings=parse_settings(set_ or []),
        metric=metric,
        fingerprint=embeddings.fingerprint,
        items=embeddings.items,
    )
    built.save(out)
    if as_json:
        print_json(
            {
                "index": str(out),
                "family": built.family,
                "settings": built.settings,
                "metric": built.metric,
                "count": len(built),
                "dimension": built.dimension,
                "fingerprint": built.fingerprint,
                "bad_images": [{"path": b.name, "reason": b.reason} for b in source.bad],
            }
        )
    else:
        print_bad(source.bad)
        typer.echo(f"{len(built):,} vectors of {built.dimension} numbers: {out}")


def search(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos to look for.")],
    model: Model,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many to find.")] = 5,
    flip: Flip = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find the most alike of an index; an index of another model is refused.

    Example: likewise index search index probe.jpg --model runs/photos/model -k 5
    """
    from likewise.models.store import load
    from likewise.search.index import Index

    embedder = load(model, device=device)
    opened = Index.load(index, fingerprint=embedder.fingerprint)
    scores, ids = opened.search(embedder.embed(list(photos), flip=flip), k)
    answers: list[dict[str, Any]] = []
    for photo, row_scores, row_ids in zip(photos, scores, ids, strict=True):
        found = [
            {"id": number, "score": round(score, 6), **item}
            for number, score, item in zip(
                row_ids.tolist(), row_scores.tolist(), opened.describe(row_ids), strict=True
            )
        ]
        answers.append({"probe": str(photo), "found": found})
    if as_json:
        print_json(answers)
        return
    for answer in answers:
        rows = [
            (str(hit.get("path", hit["id"])), str(hit.get("identity", "")), f"{hit['score']:.4f}")
            for hit in answer["found"]
        ]
        print_table(f"most alike to {answer['probe']}", ("photo", "identity", "score"), rows)


add_command(app, "build", build)
add_command(app, "search", search)
