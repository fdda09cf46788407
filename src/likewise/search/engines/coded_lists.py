"""Short codes in inverted lists: a search reads the codes of the nearest cells and reranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.engines.inverted_lists import InvertedLists, probes_and_rerank
from likewise.search.engines.parameters import Settings
from likewise.search.engines.refined import Refined

__all__ = ["CodedLists"]


class CodedLists(Refined, InvertedLists):
    """A family of inverted lists that store short codes."""

    def short_code_parameters(self, settings: Settings, selector: Any) -> Any:
        """The number of cells to visit."""
        return InvertedLists.faiss_parameters(self, 0, settings, selector)

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More cells together with more candidates."""
        return probes_and_rerank(cls.probes_grid(settings, count))
