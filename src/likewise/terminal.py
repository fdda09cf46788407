"""Warnings at the terminal: one line each, on stderr, above the progress bar if one moves."""

from __future__ import annotations

import logging
import os
import sys

__all__ = ["TerminalHandler"]


class TerminalHandler(logging.Handler):
    """To stderr as it is at the moment: while a progress bar moves, it has taken its place.

    Of processes that ``torchrun`` started, the first one tells.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)  # the rest is for the log of a run

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if os.environ.get("RANK", "0") == "0":
            print(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)

    @classmethod
    def is_there(cls) -> bool:
        """Whether warnings reach the terminal already."""
        return any(isinstance(handler, cls) for handler in logging.getLogger().handlers)
