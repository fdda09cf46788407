"""``likewise index``: build, tune, search and check an index of embeddings."""

from __future__ import annotations

import typer

from likewise.cli.index.build import build
from likewise.cli.index.check import check
from likewise.cli.index.compact import compact
from likewise.cli.index.search import search
from likewise.cli.index.tune import tune
from likewise.cli.registration import add_command

__all__ = ["app"]

app = typer.Typer(
    help="Build an index of photos, search it, and measure its recall.", no_args_is_help=True
)
add_command(app, "build", build)
add_command(app, "search", search)
add_command(app, "tune", tune)
add_command(app, "check", check)
add_command(app, "compact", compact)
