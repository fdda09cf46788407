"""Warnings on the terminal: one line each on stderr, above a progress bar."""

from __future__ import annotations

import logging
import os
import sys

__all__ = ["TerminalHandler"]


class TerminalHandler(logging.Handler):
    """Prints log records to the current ``sys.stderr``, which a progress bar redirects.

    Under ``torchrun`` only rank 0 prints.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)  # lower levels only go to the log of a run

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if os.environ.get("RANK", "0") == "0":
            print(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)

    @classmethod
    def is_there(cls) -> bool:
        """Whether such a handler is installed."""
        return any(isinstance(handler, cls) for handler in logging.getLogger().handlers)
