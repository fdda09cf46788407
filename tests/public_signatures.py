"""The public names with their signatures, as text: ``python -m tests.public_signatures`` writes it.

``public_signatures.txt`` is what a release promises. A change of it is a change for users: it needs
a line in the changelog.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import likewise

FILE = Path(__file__).with_suffix(".txt")


def signatures() -> str:
    """A line for each public function, class, method and property."""
    return "".join(f"{line}\n" for name in sorted(likewise.__all__) for line in lines_of(name))


def lines_of(name: str) -> Iterator[str]:
    """The lines of one public name."""
    value = getattr(likewise, name)
    yield f"{name}{_arguments(value)}"
    if not inspect.isclass(value):
        return
    for key, member in sorted(members_of(value).items()):
        if isinstance(member, property | cached_property):
            yield f"{name}.{key}"
        elif callable(member):  # other attributes are fields, which the constructor shows
            yield f"{name}.{key}{_arguments(member)}"


def members_of(kind: type) -> dict[str, Any]:
    """What a class offers: its own and inherited members, without those of other packages."""
    own = [base for base in kind.__mro__ if base.__module__.startswith("likewise")]
    names = {key for base in own for key in vars(base) if not key.startswith(("_", "model_"))}
    found = {}
    for key in names:
        member = inspect.getattr_static(kind, key)
        bound = isinstance(member, classmethod | staticmethod)
        found[key] = getattr(kind, key) if bound else member
    return found


def _arguments(value: Any) -> str:
    """The arguments with their defaults; types are left to mypy."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    plain = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    return str(inspect.Signature(plain))


if __name__ == "__main__":
    FILE.write_text(signatures(), encoding="utf-8")
