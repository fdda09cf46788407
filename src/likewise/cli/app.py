"""The program ``likewise``: its commands, and how their errors end it."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from likewise import __version__
from likewise.cli import data, index, models
from likewise.cli.calibrate import calibrate
from likewise.cli.cluster import cluster
from likewise.cli.compare import compare
from likewise.cli.demo import demo
from likewise.cli.doctor import doctor
from likewise.cli.embed import embed
from likewise.cli.evaluate import evaluate
from likewise.cli.export import export
from likewise.cli.faces import faces
from likewise.cli.figures import figures
from likewise.cli.identify import identify
from likewise.cli.map import draw_map
from likewise.cli.recipe import recipe
from likewise.cli.registration import add_command
from likewise.cli.train import train
from likewise.cli.verify import verify
from likewise.cli.watch import watch
from likewise.errors import LikewiseError
from likewise.terminal import TerminalHandler

__all__ = ["app", "main"]

# Typer brings its own copy of click, or uses the installed one: the class comes from typer.
UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
INTERRUPTED = 130  # 128 + SIGINT, as shells report it

ORDER = (
    "demo", "doctor", "faces", "verify", "identify", "cluster", "watch", "data", "models", "recipe",
    "train", "compare", "export", "evaluate", "calibrate", "embed", "index", "map", "figures",
)  # fmt: skip


class Program(TyperGroup):
    """The commands in the order of the work; Typer would list groups of commands last."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer passes it)
        """The names in the order of the help."""
        return sorted(self.commands, key=ORDER.index)


app = typer.Typer(
    name="likewise",
    cls=Program,
    help="Recognise faces in photos; train, evaluate and search embeddings of any photos.",
    epilog="Start with: likewise demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
START, FACES, DATA = "Getting started", "Faces in photos", "Data"
MODELS, EVALUATE = "Models and training", "Evaluation"
SEARCH, PICTURES = "Embedding and search", "Pictures"
add_command(app, "demo", demo, START)
add_command(app, "doctor", doctor, START)
add_command(app, "faces", faces, FACES)
add_command(app, "verify", verify, FACES)
add_command(app, "identify", identify, FACES)
add_command(app, "cluster", cluster, FACES)
add_command(app, "watch", watch, FACES)
app.add_typer(data.app, name="data", rich_help_panel=DATA)
app.add_typer(models.app, name="models", rich_help_panel=MODELS)
add_command(app, "recipe", recipe, MODELS)
add_command(app, "train", train, MODELS)
add_command(app, "compare", compare, MODELS)
add_command(app, "export", export, MODELS)
add_command(app, "evaluate", evaluate, EVALUATE)
add_command(app, "calibrate", calibrate, EVALUATE)
add_command(app, "embed", embed, SEARCH)
app.add_typer(index.app, name="index", rich_help_panel=SEARCH)
add_command(app, "map", draw_map, PICTURES)
add_command(app, "figures", figures, PICTURES)


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
    """Run ``likewise`` with ``args`` (by default those of the process), and exit.

    Every error becomes one line on stderr. With LIKEWISE_DEBUG set, an error that Likewise did not
    expect shows its traceback.
    """
    # Spinning OpenMP threads slow each other down several times on shared cores. This must be set
    # before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(handlers=[TerminalHandler()])
    # File names may hold bytes that are not text, or letters that the terminal cannot encode.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(args=args, standalone_mode=False)
    except LikewiseError as error:
        _fail(str(error), error.exit_code)
    except UsageError as error:
        _fail(_usage_error(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
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
    if code == INTERRUPTED:  # newer releases of typer turn Ctrl-C into this exit code
        _fail("interrupted", INTERRUPTED)
    raise SystemExit(code if isinstance(code, int) else 0)


def _usage_error(error: typer.BadParameter) -> str:
    """One line on wrong options or arguments; for no arguments at all the help."""
    command = error.ctx.command_path if error.ctx else "likewise"
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
        error.show()
        raise SystemExit(2)
    reason = " ".join(error.format_message().split()).removesuffix(".")
    return f"{reason}; see: {command} --help"


def _fail(message: str, code: int) -> None:
    typer.echo(f"likewise: {message}", err=True)
    raise SystemExit(code) from None
