"""A program whose cells take no time: what the fresh process was given."""

from __future__ import annotations

from typing import Any


def measure(seed: int, **others: Any) -> dict[str, int]:
    import torch

    return {"seed": seed, "threads": torch.get_num_threads()}
