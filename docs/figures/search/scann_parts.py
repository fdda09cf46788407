"""Read ScaNN's files: centroids and leaves of its tree, codebook and codes."""

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
    """The parts of an engine.

    Args:
        centers: of the leaves, float32 [L,D']; none without a tree.
        leaves: of each vector [N]; all zero without a tree.
        book: the codebook of the first two dimensions, float32 [16,2].
        codes: each vector's entry in it [N].
    """

    centers: NDArray[np.float32]
    leaves: Rows
    book: NDArray[np.float32]
    codes: Rows

    def decoded(self) -> NDArray[np.float32]:
        """The point that each code represents; relative to the leaf, if there is a tree [N,2]."""
        places: NDArray[np.float32] = self.book[self.codes]
        return places + self.centers[self.leaves, :2] if len(self.centers) else places


def parts_of(engine: Engine) -> ScannParts:
    """Read the files that a ScaNN engine over two numbers saves, by ScaNN's protobuf messages."""
    from scann.partitioning import partitioner_pb2
    from scann.proto import centers_pb2

    with TemporaryDirectory() as name:
        folder = Path(name)
        engine.save(folder)
        books = centers_pb2.CentersForAllSubspaces()
        books.ParseFromString((folder / "ah_codebook.pb").read_bytes())
        book = [list(center.feature_value_float) for center in books.subspace_centers[0].center]
        codes = np.load(folder / "hashed_dataset.npy", allow_pickle=False)[:, 0].astype(np.int64)
        leaves, centers = np.zeros(len(codes), np.int64), np.empty((0, 2), np.float32)
        tree = folder / "serialized_partitioner.pb"
        if tree.exists():
            partitioner = partitioner_pb2.SerializedPartitioner()
            partitioner.ParseFromString(tree.read_bytes())
            root = partitioner.kmeans.kmeans_tree.root
            centers = np.array([list(center.dimension) for center in root.centers], np.float32)
            tokens = np.load(folder / "datapoint_to_token.npy", allow_pickle=False)
            leaves = tokens.astype(np.int64)
    return ScannParts(centers, leaves, np.array(book, np.float32), codes)
