"""``likewise data``: what can be done with labelled photos before any training."""

from __future__ import annotations

import typer

from likewise.cli import data_clean, data_inspect
from likewise.cli.output import add_command

__all__ = ["app"]

app = typer.Typer(
    help="Labelled photos: look at them, convert, split, clean.", no_args_is_help=True
)
add_command(app, "inspect", data_inspect.inspect)
add_command(app, "clean", data_clean.clean)
