"""Out of memory: one line with the requested size and the settings to lower."""

from __future__ import annotations

import pytest
import torch

from likewise.errors import LikewiseError
from likewise.training.monitoring.out_of_memory import explained_out_of_memory


def ask_the_cpu() -> None:
    torch.empty(2**50, dtype=torch.float64)


def python_itself() -> None:
    raise MemoryError


def a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.20 GiB. GPU 0 has a …")


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (ask_the_cpu, r"on the CPU \(9007199254740992 bytes more"),
        (python_itself, "on the CPU;"),
        (a_gpu, r"on the GPU \(3.20 GiB more"),
    ],
)
def test_it_says_what_to_lower(work: object, told: str) -> None:
    assert callable(work)
    with pytest.raises(LikewiseError, match=told) as caught, explained_out_of_memory():
        work()
    assert "\n" not in str(caught.value)
    for key in ("batch.size", "head.sample", "head.storage=mmap", "input.height"):
        assert key in str(caught.value)


def test_other_errors_go_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explained_out_of_memory():
        raise RuntimeError("shapes differ")
