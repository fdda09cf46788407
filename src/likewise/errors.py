"""The errors that Likewise raises on purpose: one clear line each, with an exit code.

``InputError``: an argument or a file is wrong (exit code 2 at the command line);
``LikewiseError``: the work failed (exit code 1). Any other exception is a bug.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "InputError",
    "LikewiseError",
    "MissingExtra",
    "cannot_write",
    "first_few",
    "first_line",
]

# Errors that free space on the disk does not solve.
NOT_SPACE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT}
)


class LikewiseError(Exception):
    """The work could not be done; the message says why, and what to do.

    Example:
        >>> from likewise import InputError, LikewiseError
        >>> issubclass(InputError, LikewiseError), LikewiseError.exit_code
        (True, 1)
    """

    exit_code = 1


class InputError(LikewiseError, ValueError):
    """An argument, a file or a key is wrong; the message names it and what is allowed.

    Example:
        >>> import likewise
        >>> likewise.load("no/such/model")
        Traceback (most recent call last):
        likewise.errors.InputError: ...
    """

    exit_code = 2


class MissingExtra(LikewiseError, ImportError):
    """A feature needs a package that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs an extra package; install it with: pip install 'likewise[{extra}]'"
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters; its type if it has none.

    Example:
        >>> first_line(ValueError("no such file\\nand more")), first_line(ValueError())
        ('no such file', 'ValueError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def first_few(names: Iterable[object], most: int = 3) -> str:
    """The first of some names, for a message; an ellipsis stands for the rest.

    Example:
        >>> first_few(["anna", "bob", "carl", "dora"])
        'anna, bob, carl, …'
    """
    listed = list(map(str, names))
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")


def cannot_write(
    path: Path, error: OSError | RuntimeError, advice: str = "choose another place with --out"
) -> str:
    """The message for a file or folder that cannot be written: the reason and a remedy.

    Args:
        path: of the file or the folder.
        error: of the system, or of a library that writes files itself.
        advice: the remedy; freeing some space is added if that may help.
    """
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        file = next((some for some in (path, *path.parents) if some.is_file()), path)
        reason = f"{'it' if file == path else file} is a file, not a folder"
    elif isinstance(error, IsADirectoryError):
        reason = "it is a folder, not a file"
    else:
        reason = getattr(error, "strerror", None) or first_line(error)
        if getattr(error, "errno", None) not in NOT_SPACE:
            advice = f"free some space or {advice}"
    return f"cannot write {path}: {reason}; {advice}"
