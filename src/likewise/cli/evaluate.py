"""``likewise evaluate``: how good is it, how sure is that, and is it better than another?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Device,
    Flip,
    OnBad,
    Root,
    Split,
    note,
    print_bad,
    print_experiment,
    print_findings,
    print_json,
    print_table,
    print_trained_on,
)

if TYPE_CHECKING:
    from likewise.cli.source import Source
    from likewise.data.pairs import Pairs
    from likewise.distances import Distance
    from likewise.evaluation.experiment import Experiment
    from likewise.evaluation.verification.all_pairs import AllPairs

__all__ = ["evaluate"]


def evaluate(
    data: Annotated[
        Path | None,
        typer.Argument(help="Photos (with --model), or embeddings: .parquet or .npy."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option("--pairs", help="LFW's pairs.txt, a CSV: left, right, same, fold; CFP; .bin."),
    ] = None,
    distance: Annotated[
        str,
        typer.Option(
            "--distance",
            help="cosine, dot, euclidean, manhattan, chebyshev, minkowski:p, mahalanobis:FILE.",
        ),
    ] = "cosine",
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="Beside verification: identification, retrieval, clustering; all; none. "
            "By default the first two, unless --pairs is given.",
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--groups", help="A metadata column whose groups are compared."),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Every pair of the photos, streamed: no sample.")
    ] = False,
    intervals: Annotated[
        int,
        typer.Option("--intervals", min=0, help="Draws of the identities for intervals; 0: none."),
    ] = 200,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="Instead: two reports' folders, side by side."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write report.json and report.html here.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Without --pairs: most pairs of each kind.")
    ] = 1_000_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws whatever is drawn.")] = 0,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    split: Split = None,
    as_json: AsJson = False,
) -> None:
    """Say how good embeddings are, and how sure that is: verification, identification, retrieval.

    Without --pairs, all pairs of the labelled photos are verified (a sample where they are more
    than --limit of a kind); of a table with a column split, those of test, unless --split names
    others. With --compare, two earlier reports are put side by side, with the
    differences that the choice of people does not explain.

    Started by torchrun, each process embeds a stretch of the photos, compares a part of
    --all-pairs and searches for a part of them; the first one does the rest.

    Example: likewise evaluate test_photos/ --model runs/photos/model --out report
    """
    from likewise.errors import InputError

    if compare is not None:
        if data is not None:
            raise InputError("--compare takes two reports, and no photos; leave DATA out")
        _compare(*compare, out, intervals, seed, as_json)
        return
    if data is None:
        raise InputError("evaluate: name photos or embeddings, or two reports with --compare")
    from likewise.cli.source import Side, shared_embeddings_of
    from likewise.data.protocols import names_its_pairs, read_pairs
    from likewise.distances import parse_distance
    from likewise.evaluation.findings import evaluate_tasks
    from likewise.evaluation.retrieval.distributed import search_together
    from likewise.evaluation.verification.distributed import verify_all_pairs_together
    from likewise.shares import own_share
    from likewise.storage import require_writable

    metric = parse_distance(distance)
    if out is not None:
        require_writable(out)
    if pairs is None and names_its_pairs(data):
        pairs = data
    if all_pairs and pairs is not None:
        raise InputError("--all-pairs and --pairs: give one or the other")
    chosen = None if pairs is None else read_pairs(pairs)
    wanted = _tasks(tasks, given_pairs=chosen is not None)
    share = own_share(out)
    source = shared_embeddings_of(
        data, model, share, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image,
        side=Side(split, default="all" if chosen is not None else "test"),
        everywhere=all_pairs or not {"identification", "retrieval"}.isdisjoint(wanted),
    )  # fmt: skip
    if source is None:
        return
    every = None
    if all_pairs:
        vectors, labels = source.embeddings.vectors, source.embeddings.labels
        every = verify_all_pairs_together(vectors, labels, share, distance=metric)
    experiment = None
    if share.first:
        settings = {**source.settings, **({"pairs_file": pairs.name} if pairs else {})}
        source = replace(source, settings=settings)
        experiment = _verified(source, chosen, metric, limit, seed, intervals)
        source = replace(source, trained_on=_compared(source, experiment))
        if source.trained_on:
            experiment.settings["people_in_training"] = len(source.trained_on)
        if every is not None:
            experiment = _of_all_pairs(every, experiment, source, metric, intervals, seed)
    searches = search_together(source.embeddings, share, tasks=wanted, distance=metric, seed=seed)
    if experiment is None:
        return
    findings = evaluate_tasks(
        experiment, source.embeddings, tasks=wanted, groups=groups or (), distance=metric,
        calibration=source.calibration if metric.name == "cosine" else None, seed=seed,
        searches=searches,
    )  # fmt: skip
    if out is not None:
        from likewise.evaluation.report.page import write_report

        page = write_report(experiment, out, source.photos, findings)
        note(f"report: {page}")
    share.clear()
    if as_json:
        print_json(
            {
                **experiment.to_dict(),
                "findings": findings.to_dict(),
                "trained_on": list(source.trained_on),
                "bad_images": [{"path": b.name, "reason": b.reason} for b in source.bad],
            }
        )
    else:
        print_bad(source.bad)
        print_trained_on(source.trained_on)
        print_experiment(f"Verification of {data.name}", experiment)
        print_findings(findings)


def _tasks(named: str | None, *, given_pairs: bool) -> list[str]:
    from likewise.errors import one_of
    from likewise.evaluation.findings import TASKS

    if named is None:
        return [] if given_pairs else ["identification", "retrieval"]
    if named in ("all", "none"):
        return list(TASKS) if named == "all" else []
    return [one_of("--tasks", task.strip(), TASKS) for task in named.split(",")]


def _verified(
    source: Source, pairs: Pairs | None, metric: Distance, limit: int, seed: int, intervals: int
) -> Experiment:
    """The verification, with intervals where the identities allow them."""
    from likewise.errors import InputError
    from likewise.evaluation.experiment import evaluate as measure
    from likewise.evaluation.intervals.bootstrap import bootstrap

    experiment = measure(
        source.embeddings, pairs, limit=limit, seed=seed, distance=metric, settings=source.settings
    )
    if not intervals or experiment.identities is None:
        return experiment
    try:
        found = bootstrap(experiment.scored_pairs(), replicates=intervals, seed=seed)
    except InputError as error:
        note(f"no intervals: {error}")
        return experiment
    return replace(experiment, intervals=found)


def _compared(source: Source, experiment: Experiment) -> tuple[str, ...]:
    """Of the people in training those whose photos are in the pairs."""
    import numpy as np

    if not source.trained_on:
        return ()
    people = source.embeddings.items["identity"]
    rows = np.union1d(experiment.left, experiment.right)
    here = {str(name) for name in people.take(rows).unique().to_pylist()}
    return tuple(name for name in source.trained_on if name in here)


def _of_all_pairs(
    found: AllPairs,
    experiment: Experiment,
    source: Source,
    metric: Distance,
    intervals: int,
    seed: int,
) -> Experiment:
    """The numbers of every pair in the place of the sample's, which stays for the pictures."""
    from likewise.evaluation.intervals.bootstrap import bootstrap
    from likewise.evaluation.intervals.stratified_pairs import pairs_for_bootstrap

    sure = None
    if intervals and experiment.intervals is not None:
        vectors, labels = source.embeddings.vectors, source.embeddings.labels
        drawn = pairs_for_bootstrap(found, vectors, labels, distance=metric, seed=seed)
        sure = bootstrap(drawn, replicates=intervals, seed=seed)
    measured = found.measured
    bound = f"; AUC within {found.auc_error:.1g}" if found.auc_error else ""
    told = f"all: {measured.genuine + measured.impostor:,}{bound}; pictured is a sample"
    settings = {**experiment.settings, "pairs": told}
    return replace(experiment, measured=measured, intervals=sure, settings=settings)


def _compare(
    first: Path, second: Path, out: Path | None, intervals: int, seed: int, as_json: bool
) -> None:
    from likewise.evaluation.report.comparison import compare_reports, write_comparison
    from likewise.storage import require_writable

    if out is not None:
        require_writable(out)
    found = compare_reports(first, second, replicates=max(intervals, 20), seed=seed)
    if out is not None:
        note(f"comparison: {write_comparison(found, out)}")
    if as_json:
        print_json(found.to_dict())
        return
    level = f"difference, {found.difference.level:.0%} interval"
    print_table(f"{found.pairs:,} pairs that both have", ("", *found.names, level), found.rows())
    typer.echo(found.verdict())
