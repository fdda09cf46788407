"""``likewise index tune``: find the fastest index that reaches a recall."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_bad_images, print_json, print_table
from likewise.cli.units import format_bytes, parse_bytes, parse_seconds

if TYPE_CHECKING:
    from likewise.search.tuning.frontier import Point
    from likewise.search.tuning.tuning import Tuning

__all__ = ["tune"]

SHOWN_BELOW = 0.03  # indexes up to this far below the recall asked for are printed, too


def tune(
    data: options.PhotosOrEmbeddings,
    recall: options.Recall = None,
    mates: options.Mates = None,
    max_memory: options.MaxMemory = None,
    max_build: options.MaxBuild = None,
    k: options.Neighbors = 10,
    batch: options.Batch = 1,
    latency: Annotated[
        str | None,
        typer.Option(
            "--latency",
            help="Latency per query, like 2ms, within which exact search is chosen.",
        ),
    ] = None,
    threshold: options.Threshold = None,
    family: options.Families = None,
    distance: options.Distance = "cosine",
    queries: options.Queries = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="Also build the best index in this folder.")
    ] = None,
    out: options.OutOrNone = None,
    model: options.ModelOrNone = None,
    ids: options.Ids = None,
    seed: options.Seed = 0,
    flip: options.Flip = False,
    on_bad_image: options.OnBadImage = options.BadImagePolicy.skip,
    device: options.Device = "auto",
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Find the fastest index that reaches a recall on queries that are not in the index.

    The recall is 0.95 if neither --recall nor --mates is given. Without --queries a part of the
    data is held out as queries. All installed families are tried; --family, which is repeatable,
    limits them. By default the --threshold of --mates is the 0.999 quantile of the impostor scores.
    The report --out is a folder, or one file .html, .png, .svg or .json.

    Example: likewise index tune embeddings.parquet --recall 0.95 --max-memory 2GB --out tuning
    """
    from likewise.cli.inputs import read_or_embed
    from likewise.cli.queries import read_probes
    from likewise.search.tuning.probes import labels_of
    from likewise.search.tuning.report import require_report_path, write_tuning
    from likewise.search.tuning.target import Limits, Target
    from likewise.search.tuning.tune import tune as run
    from likewise.storage import require_writable

    asked = 0.95 if recall is None and mates is None else recall
    goal = Target(asked, mates, k, batch, parse_seconds("--latency", latency, "MS"), threshold)
    limits = Limits(
        parse_bytes("--max-memory", max_memory),
        parse_seconds("--max-build", max_build or options.MAX_BUILD),
    )
    if out is not None:
        require_report_path(out)
    if index is not None:
        require_writable(index)
    source = read_or_embed(
        data, model, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    found = source.embeddings
    probes = None if queries is None else read_probes(queries, found.fingerprint, found.items)
    tuning = run(
        found.vectors, labels_of(found.items), target=goal, limits=limits, metric=distance,
        families=family, probes=probes, items=found.photo_items, seed=seed,
    )  # fmt: skip
    command = tuning.command(str(data), ids=None if ids is None else str(ids))
    values = tuning.to_dict() | {"command": command}
    if index is not None:
        built = tuning.build(found.vectors, fingerprint=found.fingerprint, items=found.photo_items)
        built.save(index)
        values |= {"index": str(index), "evidence": built.evidence}
    if out is not None:
        note(f"report: {write_tuning(tuning, values, out)}")
    if as_json:
        print_json(values)
        return
    print_bad_images(source.bad)
    _print(tuning)
    if index is not None:
        typer.echo(f"{len(found):,} vectors: {index}")
    else:
        note(f"build it with: {command}")


def _print(tuning: Tuning) -> None:
    """Print the Pareto frontier near the recall asked for, then the best index."""
    from likewise.search.tuning.frontier import frontier, settings_text

    target = next(iter(tuning.target.recalls))
    near = [p for p in tuning.points if p.reaches(tuning.target.recalls, slack=SHOWN_BELOW)]

    def row(point: Point) -> tuple[str, ...]:
        parameters = (settings_text(point.settings), settings_text(point.search))
        return (
            f"{point.family} {' '.join(parameters)}".strip(),
            *(_recall_text(point, name) for name in tuning.target.recalls),
            f"{1000 * point.seconds:.3g}", f"{tuning.exact.seconds / point.seconds:.2f}×",
            format_bytes(point.memory),
        )  # fmt: skip

    print_table(
        f"Pareto frontier of {target}, latency and memory (in brackets: 95 % lower bound)",
        ("", *tuning.target.recalls, "ms", "× exact", "memory"),
        [row(point) for point in frontier(near, target)],
    )
    for line in tuning.notes:
        note(line)
    for name, reason in tuning.not_tried.items():
        note(f"not tried: {name}: {reason}")
    evidence = tuning.evidence
    typer.echo(f"best: {tuning.name}: {tuning.reason}")
    for name, recall in evidence.recalls.items():
        asked = f" (asked for: {evidence.asked[name]:g})" if name in evidence.asked else ""
        typer.echo(
            f"  {name} {recall.value:.4f} on {recall.queries:,} other queries, at "
            f"least {recall.low:.4f} with 95 % confidence{asked}"
        )


def _recall_text(point: Point, name: str) -> str:
    """A recall and its lower confidence bound."""
    found = point.recalls.get(name)
    return "–" if found is None else f"{found.value:.3f} ({found.low:.3f})"
