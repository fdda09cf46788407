"""The one look of all pages, as CSS to be placed in them."""

from __future__ import annotations

from importlib import resources

from markupsafe import Markup

__all__ = ["STYLE"]

STYLE = Markup(
    resources.files("likewise.pages").joinpath("templates/style.css").read_text(encoding="utf-8")
)
