"""The template environment of all pages; the templates extend ``templates/layout.html``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["named_values", "render"]


def render(
    template: str, /, *, filters: Mapping[str, Callable[..., Any]] | None = None, **values: Any
) -> str:
    """Render a template to a self-contained page; values are escaped, and the style is included.

    Args:
        template: its name without ``.html``.
        filters: further Jinja filters for this page.
        **values: the variables of the template, except ``style``.
    """
    environment = _environment()
    if filters:
        environment = environment.overlay()
        environment.filters = environment.filters | dict(filters)
    return environment.get_template(f"{template}.html").render(style=_style(), **values)


def named_values(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of a table of settings: names with spaces, and values as text."""

    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return [(name.replace("_", " "), text(value)) for name, value in values.items()]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("likewise.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


@lru_cache(maxsize=1)
def _style() -> Markup:
    sheet = resources.files("likewise.pages").joinpath("templates/style.css")
    return Markup(sheet.read_text(encoding="utf-8"))  # our own file
