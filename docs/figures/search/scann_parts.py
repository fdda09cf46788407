"""ScaNN's own files, read: the centres of its tree, who lies in which leaf, codebooks and codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from likewise.search.engines.engine import Rows

if TYPE_CHECKING:
    from likewise.search.engines.engine import Engine

__all__ = ["ScannParts", "parts_of"]


@dataclass(frozen=True)
class ScannParts:
    """What an engine is made of.

    Args:
        centres: of the leaves, float32 [L,D']; none without a tree.
        leaves: of each vector [N]; all zero without a tree.
        book: the codebook of the first two dimensions, float32 [16,2].
        codes: each vector's entry in it [N].
    """

    centres: NDArray[np.float32]
    leaves: Rows
    book: NDArray[np.float32]
    codes: Rows

    def decoded(self) -> NDArray[np.float32]:
        """Where each vector's code lies: from its leaf's centre, if there is a tree [N,2]."""
        places: NDArray[np.float32] = self.book[self.codes]
        return places + self.centres[self.leaves, :2] if len(self.centres) else places


def parts_of(engine: Engine) -> ScannParts:
    """Read the files that a ScaNN engine over two numbers saves, by ScaNN's own descriptions."""
    from scann.partitioning import partitioner_pb2
    from scann.proto import centers_pb2

    with TemporaryDirectory() as name:
        folder = Path(name)
        engine.save(folder)
        books = centers_pb2.CentersForAllSubspaces()
        books.ParseFromString((folder / "ah_codebook.pb").read_bytes())
        book = [list(center.feature_value_float) for center in books.subspace_centers[0].center]
        codes = np.load(folder / "hashed_dataset.npy", allow_pickle=False)[:, 0].astype(np.int64)
        leaves, centres = np.zeros(len(codes), np.int64), np.empty((0, 2), np.float32)
        tree = folder / "serialized_partitioner.pb"
        if tree.exists():
            partitioner = partitioner_pb2.SerializedPartitioner()
            partitioner.ParseFromString(tree.read_bytes())
            root = partitioner.kmeans.kmeans_tree.root
            centres = np.array([list(center.dimension) for center in root.centers], np.float32)
            tokens = np.load(folder / "datapoint_to_token.npy", allow_pickle=False)
            leaves = tokens.astype(np.int64)
    return ScannParts(centres, leaves, np.array(book, np.float32), codes)
