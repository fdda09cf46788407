"""The machine: device, number formats, cores, and versions of packages."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likewise.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["describe", "finest_float", "multiplies_bf16", "pick_device", "usable_cores", "versions"]

# Packages whose version can change numbers or files, for reports and `doctor`.
PACKAGES = ("likewise", "torch", "numpy", "pillow", "pyarrow", "faiss-cpu")


def pick_device(name: str = "auto") -> torch.device:
    """The device of this name; ``auto`` is a GPU if there is one, else the CPU.

    Raises:
        InputError: the name is not a device, or the device is not available.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device: {name!r} is not available here; try auto or cpu") from None
    return device


def finest_float(device: torch.device) -> torch.dtype:
    """The floating-point type of the highest precision on a device: Apple's GPUs lack float64."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64


def usable_cores() -> int:
    """The number of cores that this process may use, fewer than all inside a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_type() -> str:
    """The name of the processor, for example ``AMD EPYC 7763``."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def multiplies_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware: elsewhere bf16 is slower than float32."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The version of Python and of each installed package."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, Any]:
    """Processor, cores and system, for reports and benchmarks; without host name and paths."""
    return {"cpu": cpu_type(), "cores": usable_cores(), "system": platform.system()}
