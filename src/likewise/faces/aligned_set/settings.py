"""How a set of photos is aligned: what decides the pixels of its crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from likewise import __version__
from likewise.arguments import check_count, one_of
from likewise.faces.alignment.templates import template_named
from likewise.faces.choice import KEEP
from likewise.faces.detectors.registry import list_detectors
from likewise.faces.finder import FaceFinder
from likewise.models.zoo.weights import WEIGHTS

__all__ = ["AlignSettings"]

LANDMARKS = "onet"
SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
VERSION = 1  # of what the finder does: another one aligns cached sets again


@dataclass(frozen=True)
class AlignSettings:
    """How faces are found, chosen, aligned and written.

    Args:
        template: where the five points come to lie, by name.
        size: side of the crops in pixels; None: the usual one of the template.
        detector: what finds the boxes, by name.
        keep: which of several faces are taken: a key of ``KEEP``.
        format: of the crops: ``jpeg`` (quality 95) or ``png``.

    Raises:
        InputError: a name is unknown, or the size is not from 16 to 1024.
    """

    template: str = "arcface"
    size: int | None = None
    detector: str = "yunet"
    keep: str = "main"
    format: str = "jpeg"

    def __post_init__(self) -> None:
        usual = template_named(self.template).side
        side = usual if self.size is None else check_count("size", self.size, least=16, most=1024)
        object.__setattr__(self, "size", side)
        one_of("detector", self.detector, list_detectors())
        one_of("keep", self.keep, KEEP)
        one_of("format", self.format, SUFFIXES)

    @property
    def side(self) -> int:
        """Side of the crops in pixels."""
        assert self.size is not None  # set above
        return self.size

    @property
    def suffix(self) -> str:
        """Of the files of the crops."""
        return SUFFIXES[self.format]

    @property
    def alignment(self) -> str:
        """As ``FaceFinder.alignment`` says it; no network is loaded."""
        return f"{self.template}-{self.side} {self.detector}+{LANDMARKS}"

    def finder(self) -> FaceFinder:
        """What finds and aligns the faces.

        Raises:
            MissingExtra: the extra ``faces`` is not installed.
            LikewiseError: the weights of the detector are not at hand.
        """
        return FaceFinder(self.detector, LANDMARKS, template=self.template, size=self.side)

    def record(self) -> dict[str, Any]:
        """The settings and the weights behind them, as JSON: equal ones give equal crops."""
        return {
            "template": self.template,
            "size": self.side,
            "detector": _network(self.detector),
            "landmarks": _network(LANDMARKS),
            "keep": self.keep,
            "encoding": self.format,
            "finder": VERSION,
        }

    def about(self) -> dict[str, Any]:
        """``record``, and the version of Likewise."""
        return {**self.record(), "likewise": __version__}


def _network(name: str) -> dict[str, str | None]:
    """A network and the SHA-256 of its weights; None for one of the user's own."""
    return {"name": name, "sha256": WEIGHTS[name].sha256 if name in WEIGHTS else None}
