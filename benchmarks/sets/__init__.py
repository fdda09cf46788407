"""The sets of the accuracy benchmarks: labeled photos in two parts that share no identity.

``train`` is for training and for every choice, ``test`` is for one measurement at the end.
"""

from benchmarks.sets.registry import list_sets, load_set
from benchmarks.sets.split import MissingData, Split

__all__ = ["MissingData", "Split", "list_sets", "load_set"]
