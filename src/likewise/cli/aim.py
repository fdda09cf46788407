"""The options that say what an index must reach and may cost, shared by ``tune`` and ``build``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from likewise.cli.amounts import bytes_of, seconds_of

if TYPE_CHECKING:
    from likewise.search.tuning.target import Limits

__all__ = [
    "MAX_BUILD",
    "Batch",
    "Mates",
    "MaxBuild",
    "MaxMemory",
    "Neighbors",
    "Recall",
    "Seed",
    "limits_of",
]

MAX_BUILD = "10min"

Recall = Annotated[
    float | None,
    typer.Option("--recall", help="Of the k nearest, the share that must be found: 0.95."),
]
Mates = Annotated[
    float | None,
    typer.Option(
        "--mates",
        help="Of the same person's photos above the threshold, the share that must be found.",
    ),
]
MaxMemory = Annotated[
    str | None, typer.Option("--max-memory", help="The most memory it may take: 2GB.")
]
MaxBuild = Annotated[
    str | None, typer.Option("--max-build", help="The most time it may take to build: 10min.")
]
Neighbors = Annotated[int, typer.Option("-k", "--k", min=1, help="How many a search asks for.")]
Batch = Annotated[
    int, typer.Option("--batch", min=1, help="How many queries come at one time: 1, or 1000.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="What is drawn; the same, the same.")]


def limits_of(max_memory: str | None, max_build: str | None) -> Limits:
    """The limits of ``--max-memory`` and ``--max-build``.

    Raises:
        InputError: one of them is no amount.
    """
    from likewise.search.tuning.target import Limits

    return Limits(bytes_of("--max-memory", max_memory), seconds_of("--max-build", max_build))
