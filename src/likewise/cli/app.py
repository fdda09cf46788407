"""The commands put together, and what becomes of their errors: one line, and an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys

import typer

from likewise import __version__
from likewise.cli import (
    calibrate,
    compare,
    data,
    demo,
    doctor,
    embed,
    evaluate,
    figures,
    index,
    models,
    train,
    verify,
)
from likewise.cli.map import draw_map
from likewise.cli.output import add_command
from likewise.errors import LikewiseError
from likewise.terminal import TerminalHandler

__all__ = ["app", "main"]

INTERRUPTED = 130  # as shells count a program that Ctrl-C ended

app = typer.Typer(
    name="likewise",
    help="Learn, measure and search likeness: from a folder of labelled photos to a system that "
    "recognises.",
    epilog="Start with: likewise demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
add_command(app, "demo", demo.demo)
app.add_typer(data.app, name="data")
add_command(app, "train", train.train)
add_command(app, "compare", compare.compare)
add_command(app, "evaluate", evaluate.evaluate)
add_command(app, "calibrate", calibrate.calibrate)
add_command(app, "embed", embed.embed)
add_command(app, "verify", verify.verify)
app.add_typer(index.app, name="index")
app.add_typer(models.app, name="models")
add_command(app, "figures", figures.figures)
add_command(app, "map", draw_map)
add_command(app, "doctor", doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options of ``likewise`` itself."""


def main(args: list[str] | None = None) -> None:
    """Run ``likewise`` with ``args`` (those of the process if None), and exit.

    An error that Likewise foresees becomes one line on stderr; so does any other, unless
    LIKEWISE_DEBUG is set, which shows where it came from.
    """
    # Threads that wait by spinning make each other wait where cores are shared: several times
    # slower with one busy neighbour. It must be said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(handlers=[TerminalHandler()])
    # The name of a file may be no text, or have letters that the terminal's encoding has not.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(args=args)
    except LikewiseError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except SystemExit as ended:
        # As typer ends, without a word; a subclass has said why.
        if ended.code == INTERRUPTED and type(ended) is SystemExit:
            typer.echo("likewise: interrupted", err=True)
        raise
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("LIKEWISE_DEBUG"):
            raise
        reason = " ".join(str(error).split()) or "no details"
        _fail(
            f"unexpected {type(error).__name__}: {reason} "
            "(set LIKEWISE_DEBUG=1 for the traceback, and please report it)",
            1,
        )


def _fail(message: str, code: int) -> None:
    typer.echo(f"likewise: {message}", err=True)
    raise SystemExit(code) from None
