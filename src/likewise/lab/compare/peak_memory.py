"""Peak memory of tensors, counted exactly."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_tensor_bytes"]


def peak_tensor_bytes(work: Callable[[], object]) -> int:
    """Run ``work`` and return the peak of the bytes held by tensors created in it.

    Unlike the memory of the process, this does not depend on memory that the allocator kept from
    earlier runs. Tensors that existed before are not counted, nor is scratch memory inside a
    kernel.

    Example:
        >>> import torch
        >>> from likewise.lab.compare.peak_memory import peak_tensor_bytes
        >>> peak_tensor_bytes(lambda: torch.zeros(1000) + 1)
        8000
    """
    tracker = _AllocationTracker()
    with tracker:
        work()
    return tracker.peak


class _AllocationTracker(TorchDispatchMode):
    """Intercepts every operation and records the storages that it creates."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.now = 0
        self.peak = 0
        self.known: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {_storage(t)._cdata for t in tree_leaves((args, kwargs)) if _is_tensor(t)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if _is_tensor(leaf):
                storage = _storage(leaf)
                if storage._cdata not in given and storage._cdata not in self.known:
                    self._add(storage)
        return result

    def _add(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        self.known[key] = size
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self.known.pop(key, 0)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout is torch.strided


def _storage(tensor: torch.Tensor) -> Any:
    return tensor.untyped_storage()
