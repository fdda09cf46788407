"""``likewise index search``: the most alike of an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli.decision import Fmr, Threshold, check_decision, measured_point
from likewise.cli.output import AsJson, Device, Flip, note, print_json, print_table, require_photos

if TYPE_CHECKING:
    from likewise.data.embeddings import Embeddings
    from likewise.models.embedder import Embedder
    from likewise.models.operating_point import OperatingPoint

__all__ = ["search", "warn_of_strangers"]

ANSWER = ("id", "score")


def search(
    context: typer.Context,
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
    threshold: Threshold = None,
    fmr: Fmr = None,
    flip: Flip = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find the most alike of an index, to photos or to embeddings; another model's is refused.

    What scores below the threshold is not known: the model's own, or the one of --fmr or
    --threshold. With --queries, --model only names whose threshold decides.

    Example: likewise index search index probe.jpg --model runs/photos/model -k 5
    """
    import numpy as np

    from likewise.data.embeddings import EXTERNAL, require_same_embedder
    from likewise.distances.resolution import round_cosines
    from likewise.errors import InputError
    from likewise.models.loading import load
    from likewise.search.interface import open_index

    looked_for = photos or []
    if (queries is None) == (not looked_for):
        raise InputError("name photos to look for, with --model, or embeddings: --queries FILE")
    if queries is None and model is None:
        raise InputError(f"{looked_for[0]}: photos need a model to embed them: --model FOLDER")
    require_photos(looked_for)
    if fmr is not None and model is None:
        raise InputError("--fmr: was measured with a model; name it: --model FOLDER")
    opened = open_index(index)
    by_cosine = opened.metric == "cosine"
    check_decision(threshold, fmr, by_cosine=by_cosine)
    embedder = None if model is None else load(model, device=device)
    if embedder is not None and embedder.fingerprint != opened.fingerprint:
        # What the environment names is for photos, and need not be what made these embeddings.
        source = context.get_parameter_source("model")
        if queries is None or fmr is not None or (source and source.name == "COMMANDLINE"):
            require_same_embedder(embedder.fingerprint, opened.fingerprint, str(index))
        embedder = None
    if queries is not None:
        given = _embeddings_in(queries, ids)
        require_same_embedder(opened.fingerprint, given.fingerprint, str(queries))
        names, vectors = given.names, given.vectors
    else:
        assert embedder is not None  # refused otherwise
        names, vectors = [str(photo) for photo in looked_for], embedder.embed(looked_for, flip=flip)
    point = None
    if embedder is not None and threshold is None and by_cosine:
        point = measured_point(embedder, fmr)
    limit = threshold if point is None else point.threshold
    near, row_ids = opened.search(vectors, k)
    scores = near.astype(np.float64)
    if by_cosine:  # as verify and evaluate do: a photo reaches a threshold of 1 with itself
        scores = round_cosines(scores)
    answers: list[dict[str, Any]] = []
    for name, own_scores, own_ids in zip(names, scores.tolist(), row_ids, strict=True):
        found = [
            {"id": number, "score": round(score, 6), **_beside(item)}
            for number, score, item in zip(
                own_ids.tolist(), own_scores, opened.describe(own_ids), strict=True
            )
        ]
        # Beside the hits, whose fields are the user's: the best come first, so a count is enough.
        known = None if limit is None else sum(score >= limit for score in own_scores)
        answers.append({"probe": name, "threshold": limit, "known": known, "found": found})
    if as_json:
        print_json(answers)
        return
    for answer in answers:
        _print_answer(answer)
    if limit is None and opened.fingerprint != EXTERNAL:
        note(f"nothing is said of who is known: {_no_threshold(embedder, by_cosine=by_cosine)}")
    if point is not None:
        warn_of_strangers(point, len(opened))


def _print_answer(answer: dict[str, Any]) -> None:
    """The hits of one probe, and whether they reach the threshold."""
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
    print_table(f"most alike to {answer['probe']}", columns, rows)
    if known is None:
        return
    if known:
        typer.echo(f"known: {known:,} of these {len(found):,} at or above threshold {limit:.4f}")
    elif found:
        typer.echo(f"nobody known: the nearest is below threshold {limit:.4f}")
    else:
        typer.echo("nobody known: the index is empty")


def _no_threshold(embedder: Embedder | None, *, by_cosine: bool) -> str:
    """Why there is no decision, and what to do."""
    if not by_cosine:
        return "a model's threshold is of the cosine; give one of this distance with --threshold"
    if embedder is None:
        return "name the model, whose threshold decides, with --model, or give a --threshold"
    return "the model has no measured threshold; give one with --threshold"


def warn_of_strangers(point: OperatingPoint, count: int) -> None:
    """A false match rate is of one comparison, and a search makes as many as there are vectors."""
    share = 1 - (1 - point.far) ** count
    if share >= 0.05:
        note(
            f"the threshold's FMR {point.far:.2g} is of one comparison: if each erred by itself, "
            f"{share:.0%} of strangers would be taken for one of these {count:,}; "
            "a lower --fmr errs less"
        )


def _beside(item: dict[str, object]) -> dict[str, object]:
    """An item under names that leave the answer's own alone."""
    from likewise.data.columns import metadata_names

    names = metadata_names(item, ANSWER)
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
