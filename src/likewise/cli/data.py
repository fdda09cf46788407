"""``likewise data``: what can be done with labelled photos before any training."""

from __future__ import annotations

import typer

from likewise.cli import data_bin, data_clean, data_convert, data_inspect, data_split
from likewise.cli.output import add_command

__all__ = ["app"]

app = typer.Typer(
    help="Labelled photos: look at them, convert, split, clean.", no_args_is_help=True
)
add_command(app, "inspect", data_inspect.inspect)
add_command(app, "clean", data_clean.clean)
add_command(app, "convert", data_convert.convert)
add_command(app, "split", data_split.split)
add_command(app, "bin", data_bin.make_bin)
