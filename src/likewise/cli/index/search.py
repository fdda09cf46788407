"""``likewise index search``: find the nearest neighbors of photos or embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.output import note, print_json, print_table, require_photos
from likewise.cli.queries import read_queries
from likewise.cli.threshold import check_decision, find_operating_point

if TYPE_CHECKING:
    from likewise.models.embedder import Embedder
    from likewise.models.operating_point import OperatingPoint

__all__ = ["search", "warn_of_false_matches"]

RESULT_KEYS = ("id", "score")


def search(
    context: typer.Context,
    index: options.IndexFolder,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PHOTO", help="Query photos (with --model)."),
    ] = None,
    queries: options.Queries = None,
    ids: options.Ids = None,
    model: options.ModelOrNone = None,
    k: options.Neighbors = 10,
    threshold: options.Threshold = None,
    fmr: options.FmrOrNone = None,
    flip: options.Flip = False,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Search an index for the nearest neighbors of photos, or of embeddings with --queries.

    A neighbor whose score is below the threshold is another person. By default this is the
    threshold of the model; --fmr chooses another of the model's, --threshold any other. With
    --queries, --model is used only for its threshold. The model must be the one that made the
    index.

    Example: likewise index search index probe.jpg --model runs/photos/model -k 5
    """
    import numpy as np

    from likewise.data.alignment import warn_of_two_alignments
    from likewise.data.embeddings import EXTERNAL, require_same_embedder
    from likewise.distances.resolution import round_cosines
    from likewise.errors import InputError
    from likewise.models.loading import load
    from likewise.search.interface import open_index

    probes = photos or []
    if (queries is None) == (not probes):
        raise InputError("give query photos with --model, or embeddings with --queries FILE")
    if queries is None and model is None:
        raise InputError(f"{probes[0]}: photos need a model to embed them: --model FOLDER")
    require_photos(probes)
    if fmr is not None and model is None:
        raise InputError("--fmr: needs the model that it was measured with: --model FOLDER")
    opened = open_index(index)
    by_cosine = opened.metric == "cosine"
    check_decision(threshold, fmr, by_cosine=by_cosine)
    embedder = None if model is None else load(model, device=device)
    if embedder is not None and embedder.fingerprint != opened.fingerprint:
        # LIKEWISE_MODEL is meant for photos, and may be another model than that of the embeddings.
        source = context.get_parameter_source("model")
        if queries is None or fmr is not None or (source and source.name == "COMMANDLINE"):
            require_same_embedder(embedder.fingerprint, opened.fingerprint, str(index))
        embedder = None
    if queries is not None:
        given = read_queries(queries, ids)
        require_same_embedder(opened.fingerprint, given.fingerprint, str(queries))
        warn_of_two_alignments(opened.alignment, given.alignment, f"{index} and {queries}")
        names, vectors = given.names, given.vectors
    else:
        assert embedder is not None  # refused otherwise
        names, vectors = [str(photo) for photo in probes], embedder.embed(probes, flip=flip)
    point = None
    if embedder is not None and threshold is None and by_cosine:
        point = find_operating_point(embedder, fmr)
    limit = threshold if point is None else point.threshold
    found_scores, row_ids = opened.search(vectors, k)
    scores = found_scores.astype(np.float64)
    if by_cosine:  # rounded as in verify and evaluate, so that a photo reaches 1 with itself
        scores = round_cosines(scores)
    answers: list[dict[str, Any]] = []
    for name, own_scores, own_ids in zip(names, scores.tolist(), row_ids, strict=True):
        found = [
            {"id": number, "score": round(score, 6), **_renamed(item)}
            for number, score, item in zip(
                own_ids.tolist(), own_scores, opened.describe(own_ids), strict=True
            )
        ]
        # A count is enough, since scores descend. It is not a key of each hit, because the other
        # keys of a hit are those of the user.
        known = None if limit is None else sum(score >= limit for score in own_scores)
        answers.append({"probe": name, "threshold": limit, "known": known, "found": found})
    if as_json:
        print_json(answers)
        return
    for answer in answers:
        _print_answer(answer)
    if limit is None and opened.fingerprint != EXTERNAL:
        note(f"no decision: {_no_threshold(embedder, by_cosine=by_cosine)}")
    if point is not None:
        warn_of_false_matches(point, len(opened))


def _print_answer(answer: dict[str, Any]) -> None:
    """Print the neighbors of one probe, and which of them reach the threshold."""
    limit, known, found = answer["threshold"], answer["known"], answer["found"]
    rows = [
        (
            str(hit.get("path", hit["id"])),
            str(hit.get("identity", "")),
            f"{hit['score']:.4f}",
            *(() if known is None else ("same" if place < known else "different",)),
        )
        for place, hit in enumerate(found)
    ]
    columns = ("photo", "identity", "score", *(() if known is None else ("decision",)))
    print_table(f"nearest neighbors of {answer['probe']}", columns, rows)
    if known is None:
        return
    if known:
        typer.echo(f"match: {known:,} of {len(found):,} neighbors reach the threshold {limit:.4f}")
    elif found:
        typer.echo(f"no match: all neighbors are below the threshold {limit:.4f}")
    else:
        typer.echo("no match: the index is empty")


def _no_threshold(embedder: Embedder | None, *, by_cosine: bool) -> str:
    """Why there is no decision, and the remedy."""
    if not by_cosine:
        return "the threshold of a model is for the cosine; give one with --threshold"
    if embedder is None:
        return "give the model, for its threshold, with --model, or give a --threshold"
    return "the model has no measured threshold; give one with --threshold"


def warn_of_false_matches(point: OperatingPoint, count: int) -> None:
    """Warn if a search, which makes ``count`` comparisons, is likely to give a false match."""
    probability = 1 - (1 - point.far) ** count
    if probability >= 0.05:
        note(
            f"the FMR {point.far:.2g} of the threshold is for one comparison; with independent "
            f"errors {probability:.0%} of unknown people would match one of these {count:,}; "
            "lower it with --fmr"
        )


def _renamed(item: dict[str, object]) -> dict[str, object]:
    """Rename the metadata keys that are keys of a result, too."""
    from likewise.data.columns import metadata_names

    names = metadata_names(item, RESULT_KEYS)
    return {names[name]: value for name, value in item.items()}
