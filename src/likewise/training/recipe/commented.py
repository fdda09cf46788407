"""A recipe as YAML in which a comment explains every key."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml
from pydantic import BaseModel

from likewise.training.recipe.sections import Section

__all__ = ["commented"]

WIDTH = 100  # columns
# Keys that another key of their section replaces.
REPLACED = {"epochs": "steps", "warmup_epochs": "warmup", "margin_warmup_epochs": "margin_warmup"}


def commented(recipe: Section) -> str:
    """The recipe as YAML, every key with its value and, as a comment, its explanation.

    ``load_recipe`` reads it back to an equal recipe.

    Example:
        >>> from likewise.training.recipe.commented import commented
        >>> from likewise.training.recipe.recipe import Recipe
        >>> print(commented(Recipe()).splitlines()[1])
          height: 112  # pixels
    """
    return "\n".join(_lines(recipe, "")) + "\n"


def _lines(section: BaseModel, indent: str) -> list[str]:
    """The keys of a section; an explanation that is too long for the line stands above it."""
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            entry, inner = f"{indent}{name}:", _lines(value, indent + "  ")
            explanation = (type(value).__doc__ or "").partition("\n")[0]
        else:
            entry, inner = f"{indent}{name}: {_plain(value)}", []
            explanation = field.description or ""
            if (other := REPLACED.get(name)) and getattr(section, other, None) is not None:
                explanation = f"not used, since {other} is set"
        if len(entry) + len(explanation) + 4 <= WIDTH:
            lines.append(f"{entry}  # {explanation}")
        else:
            above = f"{indent}# "
            lines += textwrap.wrap(
                explanation, WIDTH, initial_indent=above, subsequent_indent=above
            )
            lines.append(entry)
        lines += inner
    for name, value in (section.model_extra or {}).items():
        lines.append(f"{indent}{name}: {_plain(value)}")
    return lines


def _plain(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()
