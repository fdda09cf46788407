"""``likewise data``: inspect and prepare labeled photos."""

from __future__ import annotations

import typer

from likewise.cli.data.align import align
from likewise.cli.data.bin import make_bin
from likewise.cli.data.clean import clean
from likewise.cli.data.convert import convert
from likewise.cli.data.inspect import inspect
from likewise.cli.data.split import split
from likewise.cli.registration import add_command

__all__ = ["app"]

app = typer.Typer(help="Inspect, clean, convert and split labeled photos.", no_args_is_help=True)
add_command(app, "inspect", inspect)
add_command(app, "align", align)
add_command(app, "clean", clean)
add_command(app, "convert", convert)
add_command(app, "split", split)
add_command(app, "bin", make_bin)
