"""``likewise index search``: the most alike of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from likewise.cli.output import AsJson, Device, Flip, Model, print_json, print_table

__all__ = ["search"]


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
    from likewise.search.interface import open_index

    embedder = load(model, device=device)
    opened = open_index(index, fingerprint=embedder.fingerprint)
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
