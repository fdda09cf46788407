"""``likewise compare``: compare losses under equal conditions."""

from __future__ import annotations

from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli import options
from likewise.cli.output import note, print_bad_images, print_json, print_table
from likewise.cli.units import parse_seconds

if TYPE_CHECKING:
    from likewise.lab.compare.summary import Row

__all__ = ["compare"]


def compare(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="Labeled photos, or orl, or omniglot:FOLDER with its two archives."
        ),
    ],
    losses: options.Losses = "softmax,center,triplet,cosface,arcface",
    test: Annotated[
        str | None,
        typer.Option("--test", help="Photos of other people to test on, instead of folds."),
    ] = None,
    out: options.Out = Path("runs/compare"),
    epochs: options.Epochs = None,
    budget: options.Budget = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Number of random seeds: final runs per fold.")
    ] = 3,
    folds: options.Folds = 4,
    trials: Annotated[
        int,
        typer.Option("--trials", min=1, help="Tuning trials per loss; 1: no tuning."),
    ] = 3,
    identities: Annotated[
        int | None,
        typer.Option("--identities", min=4, help="Maximum number of identities of DATA."),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target",
            min=0.5,
            max=1,
            help="Target AUC: the epochs until it is reached are reported.",
        ),
    ] = None,
    recipe: options.RecipeChoice = None,
    settings: options.Settings = None,
    threads: Annotated[
        int,
        typer.Option(
            "--threads", min=1, help="Threads of torch; 1 gives the same numbers on any machine."
        ),
    ] = 1,
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare losses with the same network, photos, augmentation, epochs and tuning trials.

    The hyperparameters of each loss are tuned on validation identities. Then the network is trained
    with several seeds and tested on identities that were not in training. The page in --out shows
    means, 95 % confidence intervals over the folds, and which differences are significant. A sum of
    losses is written with +, like arcface+center. If interrupted, the same command continues.

    Example: likewise compare photos/ --losses softmax,triplet,cosface --epochs 30 --seeds 3
    """
    from likewise.errors import InputError
    from likewise.lab.compare.comparison import compare as run
    from likewise.lab.compare.conditions import comparison_recipe
    from likewise.lab.compare.report import conclusions, markdown_table, number, write_page
    from likewise.lab.compare.sources import read_sources
    from likewise.storage import write_text
    from likewise.training.recipe.length import EPOCHS, with_epochs
    from likewise.training.recipe.named import find_recipe
    from likewise.training.recipe.recipe import recipe_with

    wanted = list(settings or [])
    for setting in wanted:
        if setting.startswith("loss."):
            raise InputError(
                f"--set {setting}: losses are named by --losses, and tuned; leave it out"
            )
    if budget is not None and epochs is not None:
        raise InputError("--budget and --epochs: give one of the two")
    if epochs is not None:
        wanted.append(f"schedule.epochs={epochs}")
    begun = find_recipe(recipe) if recipe else comparison_recipe()
    if begun.schedule.steps is not None:  # a named recipe: a comparison counts in epochs
        begun = with_epochs(begun, epochs or EPOCHS)
    shared = recipe_with(begun, wanted)
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
        budget=parse_seconds("--budget", budget, ""),
        num_threads=threads,
        say=note,
    )
    page = write_page(found)
    write_text(out / "compare.md", markdown_table(found))
    if as_json:
        print_json({**found.to_dict(), "page": str(page)})
        return
    print_bad_images(found.bad_images)
    print_table(
        "Unseen identities: mean ± 95 % confidence interval (TAR at FAR 1e-2)",
        ("loss", "AUC", f"minus {found.reference}", "EER", "TAR"),
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
        f"Separation, throughput, and epochs to an AUC of {found.target.auc:.3f}",
        ("loss", "angle within", "between", "overlap", "MAP@R", "images/s", "epochs"),
        [_cost(row) for row in found.rows],
    )
    for line in conclusions(found):
        typer.echo(line)
    typer.echo(f"page: {page}; table: {out / 'compare.md'}")


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
