"""``likewise index``: build an index of embeddings, search it, tune it, check it."""

from __future__ import annotations

import typer

from likewise.cli import index_build, index_check, index_compact, index_search, index_tune
from likewise.cli.output import add_command

__all__ = ["app"]

app = typer.Typer(
    help="Build an index of photos, find the most alike, and know with what recall.",
    no_args_is_help=True,
)
add_command(app, "build", index_build.build)
add_command(app, "search", index_search.search)
add_command(app, "tune", index_tune.tune)
add_command(app, "check", index_check.check)
add_command(app, "compact", index_compact.compact)
