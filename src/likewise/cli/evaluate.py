"""``likewise evaluate``: measure embeddings, or compare two reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import (
    bad_images_json,
    note,
    print_bad_images,
    print_experiment,
    print_findings,
    print_json,
    print_table,
    warn_of_training_identities,
)

if TYPE_CHECKING:
    from likewise.cli.inputs import Input
    from likewise.data.pairs import Pairs
    from likewise.distances import Distance as Metric
    from likewise.evaluation.experiment import Experiment
    from likewise.evaluation.verification.all_pairs import AllPairs

__all__ = ["evaluate"]


def evaluate(
    data: options.PhotosOrEmbeddingsOrNone = None,
    model: options.ModelOrNone = None,
    pairs: options.PairsOrNone = None,
    distance: options.Distance = "cosine",
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="Tasks besides verification, separated by commas: identification, retrieval, "
            "clustering; or all, or none. By default the first two, or none with --pairs.",
        ),
    ] = None,
    ks: Annotated[
        str | None,
        typer.Option(
            "--ks",
            help="The k of Recall@k and the other metrics of retrieval, like 1,10,100; 1,5,10 by "
            "default.",
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--groups", help="Metadata column whose groups are compared, like age; repeatable."
        ),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(
            "--quality",
            help="Metadata column with the quality of each photo, higher is better, for an "
            "error-versus-discard curve; repeatable. By default norm, if the embeddings have it.",
        ),
    ] = None,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Use every pair of the photos, not a sample.")
    ] = False,
    replicates: options.Replicates = 200,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="Compare the reports in two folders instead."),
    ] = None,
    ids: options.Ids = None,
    out: options.OutOrNone = None,
    max_pairs: options.MaxPairs = 1_000_000,
    seed: options.Seed = 0,
    flip: options.Flip = False,
    on_bad_image: options.OnBadImage = options.BadImagePolicy.skip,
    device: options.Device = "auto",
    root: options.Root = None,
    format: options.Format = None,
    detect: options.Detect = None,
    split: options.Split = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure how good embeddings are: verification, identification, retrieval and clustering.

    Without --pairs, all pairs of the labeled photos are verified, or a sample of --max-pairs of
    each kind. Of a table with a column split the photos of test are used, unless --split names
    others; if it is divided into query and gallery, each query is searched in the gallery. --out
    receives report.json and report.html. With --compare, the numbers of two such
    reports are compared, each difference with its confidence interval.

    Under torchrun each rank embeds a part of the photos and does a part of --all-pairs,
    identification and retrieval; rank 0 does the rest.

    Example: likewise evaluate test_photos/ --model runs/photos/model --out report
    """
    from likewise.errors import InputError

    if compare is not None:
        if data is not None:
            raise InputError("--compare: takes two reports and no photos; leave DATA out")
        _compare(*compare, out, replicates, seed, as_json)
        return
    if data is None:
        raise InputError("evaluate: name photos or embeddings, or two reports with --compare")
    from likewise.cli.inputs import SplitChoice, read_or_embed_distributed
    from likewise.data.protocols import names_its_pairs, read_pairs
    from likewise.distances import parse_distance
    from likewise.evaluation.findings import evaluate_tasks
    from likewise.evaluation.retrieval.distributed import search_distributed
    from likewise.evaluation.verification.distributed import verify_all_pairs_distributed
    from likewise.shares import own_share
    from likewise.storage import require_writable

    metric = parse_distance(distance)
    if out is not None:
        require_writable(out)
    if pairs is None and names_its_pairs(data):
        pairs = data
    if all_pairs and pairs is not None:
        raise InputError("--all-pairs and --pairs: give one of the two")
    pair_list = None if pairs is None else read_pairs(pairs)
    depths = _ks(ks)
    wanted = _tasks(tasks, given_pairs=pair_list is not None)
    share = own_share(out)
    source = read_or_embed_distributed(
        data, model, share, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image,
        split=SplitChoice(split, default="all" if pair_list is not None else "test"),
        detect=detect, format=format,
        all_ranks=all_pairs or not {"identification", "retrieval"}.isdisjoint(wanted),
    )  # fmt: skip
    if source is None:
        return
    from_all_pairs = None
    if all_pairs:
        vectors, labels = source.embeddings.vectors, source.embeddings.labels
        from_all_pairs = verify_all_pairs_distributed(vectors, labels, share, distance=metric)
    experiment = None
    if share.is_rank_zero:
        settings = {**source.settings, **({"pairs_file": pairs.name} if pairs else {})}
        source = replace(source, settings=settings)
        experiment = _verify(source, pair_list, metric, max_pairs, seed, replicates)
        source = replace(source, trained_on=_training_identities_in_pairs(source, experiment))
        if source.trained_on:
            experiment.settings["people_in_training"] = len(source.trained_on)
        if from_all_pairs is not None:
            experiment = _with_all_pairs(
                from_all_pairs, experiment, source, metric, replicates, seed
            )
    searches = search_distributed(
        source.embeddings, share, tasks=wanted, distance=metric, seed=seed, ks=depths
    )
    if experiment is None:
        return
    findings = evaluate_tasks(
        experiment, source.embeddings, tasks=wanted, groups=groups or (), quality=quality or None,
        distance=metric,
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
                "bad_images": bad_images_json(source.bad),
            }
        )
    else:
        print_bad_images(source.bad)
        warn_of_training_identities(source.trained_on)
        print_experiment(f"Verification of {data.name}", experiment)
        print_findings(findings)


def _tasks(named: str | None, *, given_pairs: bool) -> list[str]:
    """The tasks that --tasks names."""
    from likewise.arguments import one_of
    from likewise.evaluation.findings import TASKS

    if named is None:
        return [] if given_pairs else ["identification", "retrieval"]
    if named in ("all", "none"):
        return list(TASKS) if named == "all" else []
    return [one_of("--tasks", task.strip(), TASKS) for task in named.split(",")]


def _ks(named: str | None) -> tuple[int, ...]:
    """The k that --ks names."""
    from likewise.arguments import check_count
    from likewise.data.text_file import small_number
    from likewise.evaluation.retrieval.metrics import KS

    if named is None:
        return KS
    return tuple(check_count("--ks", small_number(k) or k) for k in named.split(","))


def _verify(
    source: Input,
    pairs: Pairs | None,
    metric: Metric,
    max_pairs: int,
    seed: int,
    replicates: int,
) -> Experiment:
    """Run verification, with confidence intervals if there are enough identities."""
    from likewise.errors import InputError
    from likewise.evaluation.experiment import evaluate as measure
    from likewise.evaluation.intervals.bootstrap import bootstrap

    experiment = measure(
        source.embeddings,
        pairs,
        limit=max_pairs,
        seed=seed,
        distance=metric,
        settings=source.settings,
    )
    if not replicates or experiment.identities is None:
        return experiment
    try:
        found = bootstrap(experiment.scored_pairs(), replicates=replicates, seed=seed)
    except InputError as error:
        note(f"no confidence intervals: {error}")
        return experiment
    return replace(experiment, intervals=found)


def _training_identities_in_pairs(source: Input, experiment: Experiment) -> tuple[str, ...]:
    """Find the identities of the pairs that the model was trained on."""
    import numpy as np

    if not source.trained_on:
        return ()
    identities = source.embeddings.items["identity"]
    rows = np.union1d(experiment.left, experiment.right)
    here = {str(name) for name in identities.take(rows).unique().to_pylist()}
    return tuple(name for name in source.trained_on if name in here)


def _with_all_pairs(
    found: AllPairs,
    experiment: Experiment,
    source: Input,
    metric: Metric,
    replicates: int,
    seed: int,
) -> Experiment:
    """Replace the numbers of the sample by those of all pairs; the plots show the sample."""
    from likewise.evaluation.intervals.bootstrap import bootstrap
    from likewise.evaluation.intervals.stratified_pairs import pairs_for_bootstrap

    intervals = None
    if replicates and experiment.intervals is not None:
        vectors, labels = source.embeddings.vectors, source.embeddings.labels
        drawn = pairs_for_bootstrap(found, vectors, labels, distance=metric, seed=seed)
        intervals = bootstrap(drawn, replicates=replicates, seed=seed)
    measured = found.measured
    bound = f"; AUC within {found.auc_error:.1g}" if found.auc_error else ""
    pairs_text = f"all: {measured.genuine + measured.impostor:,}{bound}; plots show a sample"
    settings = {**experiment.settings, "pairs": pairs_text}
    return replace(experiment, measured=measured, intervals=intervals, settings=settings)


def _compare(
    first: Path, second: Path, out: Path | None, replicates: int, seed: int, as_json: bool
) -> None:
    from likewise.data.alignment import warn_of_two_alignments
    from likewise.evaluation.report.comparison import compare_reports, write_comparison
    from likewise.storage import require_writable

    if out is not None:
        require_writable(out)
    found = compare_reports(first, second, replicates=max(replicates, 20), seed=seed)
    left, right = (settings.get("alignment") for settings in found.settings)
    if isinstance(left, str) and isinstance(right, str):
        warn_of_two_alignments(left, right, f"{first} and {second}")
    if out is not None:
        note(f"comparison: {write_comparison(found, out)}")
    if as_json:
        print_json(found.to_dict())
        return
    level = f"difference, {found.difference.level:.0%} confidence interval"
    print_table(
        f"{found.pairs:,} pairs that are in both reports", ("", *found.names, level), found.rows()
    )
    typer.echo(found.verdict())
