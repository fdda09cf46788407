"""``likewise compare``: losses under equal conditions."""

from __future__ import annotations

from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli.output import AsJson, Root, note, print_bad, print_json, print_table

if TYPE_CHECKING:
    from likewise.lab.compare.summary import Row

__all__ = ["compare"]


def compare(
    data: Annotated[
        str,
        typer.Argument(help="Labelled photos; or orl; or omniglot:FOLDER, of its two archives."),
    ],
    losses: Annotated[
        str,
        typer.Option("--losses", help="Names with commas between them, sums, or all."),
    ] = "softmax,center,triplet,cosface,arcface",
    test: Annotated[
        str | None, typer.Option("--test", help="Photos of other people, instead of folds.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The comparison's folder.")] = Path(
        "runs/compare"
    ),
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Of every run, the same for all.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="A time for every run instead, like 60s or 2min.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Final runs on each fold.")] = 3,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Parts, disjoint in people.")] = 4,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Points of each loss's search space; 1: untuned.")
    ] = 3,
    identities: Annotated[
        int | None, typer.Option("--identities", min=4, help="Take at most so many of DATA.")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option("--target", min=0.5, max=1, help="The AUC that losses race to."),
    ] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A recipe in YAML.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One key, like model.name=mobilefacenet.")
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, help="Of torch; 1 gives the same numbers anywhere.")
    ] = 1,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Compare losses fairly: same network, photos, augmentation, epochs and tuning trials.

    Each loss is tuned on validation people, trained with several seeds, and measured on people
    that it has never seen; the page shows means with 95 % intervals over the folds, and which
    differences are more than chance. Interrupted, the same command continues.

    Example: likewise compare photos/ --losses softmax,triplet,cosface --epochs 30 --seeds 3
    """
    from likewise.errors import InputError
    from likewise.lab.compare.comparison import compare as run
    from likewise.lab.compare.conditions import comparison_recipe
    from likewise.lab.compare.report import conclusions, markdown_table, number, write_page
    from likewise.lab.compare.sources import read_sources
    from likewise.lab.compare.time_budget import parse_budget
    from likewise.storage import write_text
    from likewise.training.recipe.recipe import load_recipe, recipe_with

    wanted = list(settings or [])
    for setting in wanted:
        if setting.startswith("loss."):
            raise InputError(f"--set {setting}: losses are named by --losses, and tuned")
    if budget is not None and epochs is not None:
        raise InputError("--budget: --epochs says how long a run is already; leave one of them out")
    if epochs is not None:
        wanted.append(f"schedule.epochs={epochs}")
    shared = recipe_with(load_recipe(recipe) if recipe else comparison_recipe(), wanted)
    training, unseen = read_sources(data, test, root=root, identities=identities)
    found = run(
        training,
        out,
        losses.split(","),
        unseen=unseen,
        recipe=shared,
        seeds=seeds,
        folds=folds,
        trials=trials,
        target=target,
        budget=None if budget is None else parse_budget(budget),
        num_threads=threads,
        say=note,
    )
    page = write_page(found)
    write_text(out / "compare.md", markdown_table(found))
    if as_json:
        print_json({**found.to_dict(), "page": str(page)})
        return
    print_bad(found.bad_images)
    print_table(
        "People that no loss has seen: mean ± 95 % interval (TAR at FAR 1e-2)",
        ("loss", "AUC", f"less {found.reference}'s", "EER", "TAR"),
        [
            (
                row.label,
                number(row.estimates.get("auc"), 4),
                number(row.difference, 4, signed=True),
                _mean(row, "eer"),
                _mean(row, "tar"),
            )
            for row in found.rows
        ],
    )
    print_table(
        f"How they lie apart, what it costs, and epochs to an AUC of {found.target.auc:.3f}",
        ("loss", "within", "between", "overlap", "MAP@R", "images/s", "epochs"),
        [_cost(row) for row in found.rows],
    )
    for line in conclusions(found):
        typer.echo(line)
    typer.echo(f"page: {page}, and the table as compare.md beside it")


def _cost(row: Row) -> list[str]:
    def angle(name: str) -> str:
        found = row.estimates.get(name)
        return "–" if found is None else f"{degrees(found.mean):.0f}°"

    return [
        row.label,
        angle("within"),
        angle("between"),
        _mean(row, "overlap"),
        _mean(row, "map_at_r"),
        "–" if row.images_per_s is None else f"{row.images_per_s:,.0f}",
        "–" if row.epochs_to_target is None else f"{row.epochs_to_target:g}",
    ]


def _mean(row: Row, name: str) -> str:
    found = row.estimates.get(name)
    return "–" if found is None else f"{found.mean:.3f}"
