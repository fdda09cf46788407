"""Inverted lists: vectors are assigned to k-means cells, and a search visits the nearest cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.engines.exact_scan import FAISS_METRICS
from likewise.search.engines.faiss_engine import FaissEngine, geometric_grid
from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["LISTS", "PROBES", "InvertedLists", "probes_and_rerank"]

LISTS = Parameter("lists", None, "k-means cells; about 4·√N by default", 1, 2**20)
PROBES = Parameter("probes", 16, "cells that a search visits; more find more", 1, 2**20)


def lists_for(count: int) -> int:
    """About 4·√N cells, with at least some 40 vectors each."""
    return max(1, min(round(4 * math.sqrt(count)), count // 40))


class InvertedLists(FaissEngine):
    """A family of inverted lists: a search reads only the cells that are nearest to the query."""

    min_vectors = 400
    takes_mask = True

    @classmethod
    def with_defaults(cls, settings: Settings, count: int, dimension: int) -> Settings:
        """The settings with the number of lists."""
        lists = min(int(settings.get("lists", lists_for(count))), count)
        return {**settings, "lists": lists}

    @staticmethod
    def inverted_file(codes: str, dimension: int, metric: str, settings: Settings) -> Any:
        """An empty inverted file that stores ``codes`` (in faiss's factory language)."""
        words = f"IVF{settings['lists']},{codes}"
        index = faiss.index_factory(dimension, words, FAISS_METRICS[metric])
        index.cp.min_points_per_centroid = 1  # no warning for few vectors
        return index

    def faiss_parameters(self, k: int, settings: Settings, selector: Any) -> Any:
        """The number of cells to visit."""
        return faiss.SearchParametersIVF(nprobe=self.probes(settings), sel=selector)

    def probes(self, settings: Settings) -> int:
        """The number of cells to visit, at most all."""
        return min(int(settings["probes"]), int(self.settings["lists"]))

    @classmethod
    def lists_grid(cls, count: int) -> list[int]:
        """Numbers of lists for the tuner to try."""
        usual = lists_for(count)
        return sorted({max(1, usual // 2), usual, max(1, min(2 * usual, count // 20))})

    @classmethod
    def probes_grid(cls, settings: Mapping[str, object], count: int) -> list[int]:
        """Numbers of cells to visit, ascending, up to half of them."""
        lists = int(str(settings.get("lists", lists_for(count))))
        return geometric_grid(1, max(1, lists // 2))


def probes_and_rerank(probes: list[int], name: str = "probes") -> list[Settings]:
    """Cells to visit and candidates to rerank, both ascending together: a path, not a full grid."""
    grid: list[Settings] = []
    for number, visits in enumerate(probes):
        share = number / max(1, len(probes) - 1)
        usual = 4 * 2 ** round(3 * share)  # from 4 with few cells to 32 with half of them
        grid += [{name: visits, "rerank": usual}, {name: visits, "rerank": 4 * usual}]
    return grid
