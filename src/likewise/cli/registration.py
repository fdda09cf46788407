"""Adding a command to the command line, and the option names of earlier versions."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from likewise.errors import InputError

__all__ = ["REMOVED", "RENAMED", "add_command", "out_of"]

# Old name to new name, for each command; kept for one release.
RENAMED = {
    "evaluate": {"--intervals": "--replicates", "--limit": "--max-pairs"},
    "calibrate": {"--limit": "--max-pairs"},
    "map": {"--limit": "--max-photos", "--method": "--projection"},
    "data inspect": {"--limit": "--max-examples"},
    "data clean": {"--from": "--inspection"},
    "data split": {"--val": "--val-identities", "--test": "--test-identities"},
    "index build": {
        "--metric": "--distance",
        "--set": "--build-parameter",
        "--search": "--search-parameter",
    },
    "index tune": {"--metric": "--distance"},
}

# Removed options, for each command, and what to use instead.
REMOVED = {
    "figures": {
        "--search": "the pictures of index families are in docs/images/search of the repository; "
        "`python -m docs.figures` draws them there",
    },
}


class Command(TyperCommand):
    """A command that accepts its renamed options with a warning, and explains removed ones."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``args`` with each renamed option replaced by its present name.

        Raises:
            InputError: a removed option; names what to use instead.
        """
        renamed, removed = RENAMED.get(_path(ctx), {}), REMOVED.get(_path(ctx), {})
        end = args.index("--") if "--" in args else len(args)
        used: dict[str, str] = {}
        for place, word in enumerate(args[:end]):
            old, equals, value = word.partition("=")
            if old in removed:
                raise InputError(f"{old}: was removed; {removed[old]}")
            if old in renamed:
                args[place] = f"{renamed[old]}{equals}{value}"
                used[old] = renamed[old]
        for old, new in used.items():
            _warn(f"{old} is now {new}; use the new name")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line, without hidden arguments."""
        shown = [p for p in self.get_params(ctx) if not getattr(p, "hidden", False)]
        return [str(self.options_metavar), *(w for p in shown for w in p.get_usage_pieces(ctx))]


def _warn(text: str) -> None:
    """Print a warning, under torchrun on rank 0 only."""
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"warning: {text}", err=True)


def _path(ctx: Any) -> str:
    """The names of a command and of the groups around it, without the program's."""
    names = []
    while ctx.parent is not None:
        names.append(str(ctx.info_name))
        ctx = ctx.parent
    return " ".join(reversed(names))


def out_of(context: typer.Context, positional: Path | None, out: Path | None) -> Path | None:
    """The folder --out, which earlier versions took as an argument: it still works, with a warning.

    Raises:
        InputError: both are given.
    """
    if positional is None:
        return out
    source = context.get_parameter_source("out")
    if source is not None and source.name == "COMMANDLINE":
        raise InputError(f"--out {out} and {positional}: give the folder once, as --out FOLDER")
    _warn("the folder is now given as --out FOLDER")
    return positional


def add_command(
    app: typer.Typer, name: str, command: Callable[..., None], panel: str | None = None
) -> None:
    """Add a command; the line ``Example: `` of its docstring closes the help.

    Args:
        app: the group to add it to.
        name: what users type.
        command: the function.
        panel: the title of the group's help under which it is listed.
    """
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("\n\nExample: ")
    # Typer would keep the line breaks of the source.
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    app.command(name, cls=Command, help=text, epilog=f"Example: {example}", rich_help_panel=panel)(
        command
    )
