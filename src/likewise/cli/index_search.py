"""``likewise index search``: the most alike of an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli.output import AsJson, Device, Flip, print_json, print_table

if TYPE_CHECKING:
    from likewise.data.embeddings import Embeddings

__all__ = ["search"]

ANSWER = ("id", "score")


def search(
    index: Annotated[Path, typer.Argument(help="The index's folder.")],
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Photos to look for (with --model).")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", help="Embeddings to look for instead: .parquet, or .npy."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", envvar="LIKEWISE_MODEL", help="A model's folder, hub id or .onnx file."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many to find.")] = 5,
    flip: Flip = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find the most alike of an index, to photos or to embeddings; another model's is refused.

    Example: likewise index search index probe.jpg --model runs/photos/model -k 5
    """
    from likewise.data.embeddings import require_same_embedder
    from likewise.errors import InputError
    from likewise.search.interface import open_index

    looked_for = photos or []
    if (queries is None) == (not looked_for):
        raise InputError("name photos to look for, with --model, or embeddings: --queries FILE")
    if queries is not None:
        given = _embeddings_in(queries, ids)
        opened = open_index(index)
        require_same_embedder(opened.fingerprint, given.fingerprint, str(queries))
        names, vectors = given.names, given.vectors
    else:
        if model is None:
            raise InputError(f"{looked_for[0]}: photos need a model to embed them: --model FOLDER")
        from likewise.models.store import load

        embedder = load(model, device=device)
        opened = open_index(index, fingerprint=embedder.fingerprint)
        names, vectors = [str(photo) for photo in looked_for], embedder.embed(looked_for, flip=flip)
    scores, row_ids = opened.search(vectors, k)
    answers: list[dict[str, Any]] = []
    for name, own_scores, own_ids in zip(names, scores, row_ids, strict=True):
        found = [
            {"id": number, "score": round(score, 6), **_beside(item)}
            for number, score, item in zip(
                own_ids.tolist(), own_scores.tolist(), opened.describe(own_ids), strict=True
            )
        ]
        answers.append({"probe": name, "found": found})
    if as_json:
        print_json(answers)
        return
    for answer in answers:
        rows = [
            (str(hit.get("path", hit["id"])), str(hit.get("identity", "")), f"{hit['score']:.4f}")
            for hit in answer["found"]
        ]
        print_table(f"most alike to {answer['probe']}", ("photo", "identity", "score"), rows)


def _beside(item: dict[str, object]) -> dict[str, object]:
    """An item under names that leave the answer's own alone."""
    from likewise.data.columns import beside

    names = beside(item, ANSWER)
    return {names[name]: value for name, value in item.items()}


def _embeddings_in(path: Path, ids: Path | None) -> Embeddings:
    """Those of a file; the rows of a .npy without names are told by their number, from 1."""
    from likewise.cli.probe_file import bare_vectors
    from likewise.data.embeddings import Embeddings, read_embeddings

    if path.suffix.lower() != ".npy" or ids is not None:
        return read_embeddings(path, ids)
    import pyarrow as pa

    vectors = bare_vectors(path)
    return Embeddings(vectors, pa.table({"path": [f"row {n + 1}" for n in range(len(vectors))]}))
