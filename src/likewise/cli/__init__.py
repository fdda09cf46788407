"""The command line: one file per command. Exit codes: 0 success, 1 failure, 2 wrong usage."""

from likewise.cli.app import main

__all__ = ["main"]
