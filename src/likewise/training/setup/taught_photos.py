"""The teacher's embeddings of all training photos, computed once and kept in the run's folder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.tensor_file import read_tensors, write_tensor_file
from likewise.training.distributed.processes import Processes
from likewise.training.step.teacher import Distilling

__all__ = ["TAUGHT", "embed_both_sides", "teach_known"]

TAUGHT = "taught.safetensors"


def teach_known(loss: nn.Module, manifest: Manifest, folder: Path, processes: Processes) -> None:
    """Let a distillation teach the embeddings of the photos as they are.

    They are computed by rank 0, with a progress bar, unless the folder has those of the same
    teacher and photos.

    Args:
        loss: that distils; another one is left as it is.
        manifest: the training photos.
        folder: of the run.
        processes: of the run.
    """
    if not isinstance(loss, Distilling):
        return
    facts = [loss.fingerprint, manifest.fingerprint]
    with processes.rank_zero_only() as mine:
        if mine and _kept(folder, facts) is None:
            vectors = embed_both_sides(loss.teacher, manifest)
            write_tensor_file(folder / TAUGHT, {"teacher": vectors}, facts)
    found = processes.together(lambda: _kept(folder, facts))
    if found is None:
        raise InputError(f"{folder / TAUGHT}: missing or damaged; start the run again")
    loss.remember(found)


def embed_both_sides(teacher: Embedder, manifest: Manifest) -> Tensor:
    """The mean of the embeddings of each photo and of its mirror image, float32 [N, E].

    Broken photos have zeros: no batch has them.
    """
    embedded = teacher.embed_rows(manifest, slice(0, len(manifest)), flip=True, on_bad_image="skip")
    vectors = torch.zeros(len(manifest), embedded.vectors.shape[1])
    vectors[list(embedded.rows)] = torch.from_numpy(embedded.vectors * embedded.norms[:, None])
    return vectors


def _kept(folder: Path, facts: list[str]) -> Tensor | None:
    try:
        tensors, found = read_tensors(folder / TAUGHT)
    except InputError:
        return None
    return tensors["teacher"] if found == facts else None
