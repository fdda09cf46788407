"""``likewise index tune``: the fastest index that reaches a recall, with the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli.aim import (
    MAX_BUILD,
    Batch,
    Mates,
    MaxBuild,
    MaxMemory,
    Neighbors,
    Recall,
    Seed,
    limits_of,
)
from likewise.cli.amounts import bytes_text, seconds_of
from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Device,
    Flip,
    OnBad,
    Root,
    note,
    print_bad,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from likewise.search.tuning.frontier import Point
    from likewise.search.tuning.tuning import Tuning

__all__ = ["tune"]

NEAR = 0.03  # so much below the aim a point is still shown


def tune(
    data: Annotated[Path, typer.Argument(help="Photos (with --model), or a file of embeddings.")],
    recall: Recall = None,
    mates: Mates = None,
    max_memory: MaxMemory = None,
    max_build: MaxBuild = MAX_BUILD,
    k: Neighbors = 10,
    batch: Batch = 1,
    latency: Annotated[
        str | None,
        typer.Option("--latency", help="Fast enough, a query: 2ms. Exact search, if it can."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Of --mates; the impostors' 0.999 quantile if absent."),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option("--family", help="Try this family; repeatable. All, if none is named."),
    ] = None,
    metric: Annotated[
        str,
        typer.Option("--metric", help="cosine, dot, euclidean, manhattan, mahalanobis:FILE.npy."),
    ] = "cosine",
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            help="Embeddings that will not be indexed: .parquet, or .npy. Held out, if absent.",
        ),
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="Build the pick there, with its evidence.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The report: a folder, or one file .html, .png, .svg, .json."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    seed: Seed = 0,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Find the fastest index that reaches a recall on queries that it does not hold.

    Asks for a recall of 0.95 if neither --recall nor --mates is given.

    Example: likewise index tune embeddings.parquet --recall 0.95 --max-memory 2GB --out tuning
    """
    from likewise.cli.probe_file import read_probes
    from likewise.cli.source import embeddings_of
    from likewise.search.tuning.probes import labels_of
    from likewise.search.tuning.report import require_report_path, write_tuning
    from likewise.search.tuning.target import Target
    from likewise.search.tuning.tune import tune as tuned
    from likewise.storage import require_writable

    asked = 0.95 if recall is None and mates is None else recall
    target = Target(asked, mates, k, batch, seconds_of("--latency", latency, "MS"), threshold)
    limits = limits_of(max_memory, max_build)
    if out is not None:
        require_report_path(out)
    if index is not None:
        require_writable(index)
    source = embeddings_of(
        data, model, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    found = source.embeddings
    probes = None if queries is None else read_probes(queries, found.fingerprint, found.items)
    tuning = tuned(
        found.vectors, labels_of(found.items), target=target, limits=limits, metric=metric,
        families=family, probes=probes, items=found.items, seed=seed,
    )  # fmt: skip
    command = tuning.command(str(data), ids=None if ids is None else str(ids))
    values = tuning.to_dict() | {"command": command}
    if index is not None:
        built = tuning.build(found.vectors, fingerprint=found.fingerprint, items=found.items)
        built.save(index)
        values |= {"index": str(index), "evidence": built.evidence}
    if out is not None:
        note(f"report: {write_tuning(tuning, values, out)}")
    if as_json:
        print_json(values)
        return
    print_bad(source.bad)
    _print(tuning)
    if index is not None:
        typer.echo(f"{len(found):,} vectors: {index}")
    else:
        note(f"build it with: {command}")


def _print(tuning: Tuning) -> None:
    """The frontier from a little below the aim on, then the pick."""
    from likewise.search.tuning.frontier import frontier, settings_text

    by = next(iter(tuning.target.recalls))
    near = [p for p in tuning.points if p.reaches(tuning.target.recalls, slack=NEAR)]

    def row(point: Point) -> tuple[str, ...]:
        knobs = (settings_text(point.settings), settings_text(point.search))
        return (
            f"{point.family} {' '.join(knobs)}".strip(),
            *(_share(point, name) for name in tuning.target.recalls),
            f"{1000 * point.seconds:.3g}", f"{tuning.exact.seconds / point.seconds:.2f}×",
            bytes_text(point.memory),
        )  # fmt: skip

    print_table(
        f"Nothing measured beats these in {by}, speed and memory (in brackets: surely above)",
        ("", *tuning.target.recalls, "ms", "×exact", "memory"),
        [row(point) for point in frontier(near, by)],
    )
    for line in tuning.notes:
        note(line)
    for name, why in tuning.not_tried.items():
        note(f"not tried: {name}: {why}")
    evidence = tuning.evidence
    typer.echo(f"pick: {tuning.name}: {tuning.reason}")
    for name, recall in evidence.recalls.items():
        asked = f", {evidence.asked[name]:g} was asked" if name in evidence.asked else ""
        typer.echo(
            f"  {name} {recall.value:.4f} on {recall.queries:,} other queries, above "
            f"{recall.low:.4f} with 95 % confidence{asked}"
        )


def _share(point: Point, name: str) -> str:
    """A recall, and what it surely is above."""
    found = point.recalls.get(name)
    return "–" if found is None else f"{found.value:.3f} ({found.low:.3f})"
