"""Inverted files: the cells that vectors are sorted into, and how many of them a search visits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.families.exact_pass import FAISS_METRICS
from likewise.search.families.faiss_engine import FaissEngine, ladder
from likewise.search.families.knobs import Knob, Settings

__all__ = ["LISTS", "PROBES", "Coarse", "lists_for", "probes_and_rerank"]

LISTS = Knob("lists", None, "cells of the coarse k-means; about 4·√N if not named", 1, 2**20)
PROBES = Knob("probes", 16, "cells that a search visits; more find more", 1, 2**20)


def lists_for(count: int) -> int:
    """About 4·√N cells, and no fewer than some 40 vectors a cell."""
    return max(1, min(round(4 * math.sqrt(count)), count // 40))


class Coarse(FaissEngine):
    """A family of inverted lists: a search looks into the cells nearest to the query only."""

    smallest = 400
    selects = True

    @classmethod
    def resolved(cls, settings: Settings, count: int, dimension: int) -> Settings:
        """With the number of lists."""
        lists = min(int(settings.get("lists", lists_for(count))), count)
        return {**settings, "lists": lists}

    @staticmethod
    def sorted_into_cells(codes: str, dimension: int, metric: str, settings: Settings) -> Any:
        """An inverted file that keeps ``codes`` (faiss's word for them) of the vectors."""
        words = f"IVF{settings['lists']},{codes}"
        index = faiss.index_factory(dimension, words, FAISS_METRICS[metric])
        index.cp.min_points_per_centroid = 1  # no warning on few vectors
        return index

    def parameters(self, k: int, settings: Settings, among: Any) -> Any:
        """How many cells to visit."""
        return faiss.SearchParametersIVF(nprobe=self.probes(settings), sel=among)

    def probes(self, settings: Settings) -> int:
        """Cells to visit, at most all."""
        return min(int(settings["probes"]), int(self.settings["lists"]))

    @classmethod
    def lists_grid(cls, count: int) -> list[int]:
        """Numbers of lists worth trying."""
        usual = lists_for(count)
        return sorted({max(1, usual // 2), usual, max(1, min(2 * usual, count // 20))})

    @classmethod
    def probes_grid(cls, settings: Mapping[str, object], count: int) -> list[int]:
        """Numbers of visits in ascending effort, up to half of the cells."""
        lists = int(str(settings.get("lists", lists_for(count))))
        return ladder(1, max(1, lists // 2))


def probes_and_rerank(probes: list[int]) -> list[Settings]:
    """Cells to visit with candidates to sort out, in ascending effort: a path, not a square."""
    grid: list[Settings] = []
    for number, visits in enumerate(probes):
        share = number / max(1, len(probes) - 1)
        usual = 4 * 2 ** round(3 * share)  # from 4 with few cells to 32 with half of them
        grid += [{"probes": visits, "rerank": usual}, {"probes": visits, "rerank": 4 * usual}]
    return grid
