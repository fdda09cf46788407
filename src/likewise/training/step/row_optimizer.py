"""SGD and AdamW that touch only the class rows that took part in a step.

A sampled head leaves a sparse gradient. Its moments are stored once, as large as the weights, and
read and written at its rows alone, some megabytes of them at a time. Every other parameter moves
as in torch's own optimiser of the name: one optimiser, one list of groups, one state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from likewise.errors import one_of
from likewise.losses.classes.mapped_rows import mapped_zeros

__all__ = ["Moments", "RowAdamW", "RowSGD"]

Moments = Literal["full", "row"]
Rows = slice | Tensor
Group = dict[str, Any]
State = dict[str, Tensor]

# Bytes of one block of rows: its weights, gradient and moments should stay in the cache.
_BLOCK_BYTES = 2**20


class _RowOptimizer(torch.optim.Optimizer, ABC):
    """What both share. A group with ``rows=True`` holds class rows; its gradients may be sparse.

    The state of such a parameter is the number of steps, [], and moments whose first dimension is
    that of the weights.
    """

    folder: Path | None = None

    @abstractmethod
    def _moments(self, weight: Tensor, group: Group) -> dict[str, tuple[int, ...]]:
        """The name and the shape of each moment of ``weight``."""

    @abstractmethod
    def _move(self, weight: Tensor, grad: Tensor, moments: State, step: int, group: Group) -> None:
        """One step of a block of rows [r, D], in place, with their moments."""

    def allocate(self) -> None:
        """Make the moments of all class rows, zero, where there are none yet.

        They can then be filled in place, from a checkpoint that is read piece by piece.
        """
        for group in self.param_groups:
            for parameter in group["params"] if group.get("rows") else ():
                self._state_of(parameter, group)

    def _state_of(self, weight: Tensor, group: Group) -> State:
        state: State = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            for name, shape in self._moments(weight, group).items():
                state[name] = (
                    torch.zeros(shape, dtype=weight.dtype, device=weight.device)
                    if self.folder is None
                    else mapped_zeros(self.folder, shape, weight.dtype)
                )
        return state

    @torch.no_grad()
    # torch declares two overloads, of which this is the union.
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # as torch's own
        """Move every parameter that has a gradient."""
        groups = [group for group in self.param_groups if group.get("rows")]
        kept = [(p, group, p.grad) for group in groups for p in group["params"]]
        for parameter, _, _ in kept:
            parameter.grad = None  # torch's own step passes over them
        loss: float | None = super().step(closure)
        for parameter, group, grad in kept:
            parameter.grad = grad
            if grad is None:
                continue
            state = self._state_of(parameter, group)
            state["step"] += 1
            moments = {name: tensor for name, tensor in state.items() if name != "step"}
            for rows, part in _blocks(grad):
                self._move_rows(parameter, rows, part, moments, int(state["step"]), group)
        return loss

    def _move_rows(
        self, weight: Tensor, rows: Rows, grad: Tensor, moments: State, step: int, group: Group
    ) -> None:
        taken = {name: _take(tensor, rows) for name, tensor in moments.items()}
        moved = _take(weight, rows)
        self._move(moved, grad, taken, step, group)
        if isinstance(rows, Tensor):
            weight.index_copy_(0, rows, moved)
            for name, tensor in moments.items():
                tensor.index_copy_(0, rows, taken[name])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; moments of class rows are copied to where they lie.

        Raises:
            KeyError: a moment is missing; RuntimeError: it has another shape.
        """
        rows = {
            number: (parameter, group)
            for number, (parameter, group) in enumerate(self._listed())
            if group.get("rows")
        }
        for parameter, group in rows.values():
            self._state_of(parameter, group)
        own = {parameter: self.state[parameter] for parameter, _ in rows.values()}
        given = state_dict["state"]
        others = {number: state for number, state in given.items() if number not in rows}
        super().load_state_dict({**state_dict, "state": others})
        for number, (parameter, _) in rows.items():
            self.state[parameter] = own[parameter]
            if number in given:
                for name, tensor in own[parameter].items():
                    tensor.copy_(given[number][name])
            else:  # it had not moved yet
                for tensor in own[parameter].values():
                    tensor.zero_()

    def _listed(self) -> Iterator[tuple[nn.Parameter, Group]]:
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group


class RowSGD(_RowOptimizer, torch.optim.SGD):
    """SGD with momentum: ``v ← μ·v + g + λ·w``, ``w ← w - lr·v``, at the rows that took part.

    A row that took no part keeps its momentum as it is, and does not move. With every row taking
    part this is ``torch.optim.SGD``.

    Args:
        params: groups of parameters, as for torch's; those of class rows have ``rows=True``.
        lr: the learning rate.
        momentum: μ.
        weight_decay: λ.
        folder: where the moments of class rows are memory-mapped; None for in memory.

    Example:
        >>> import torch
        >>> from likewise.losses import ArcFace, Placement, place_classes
        >>> from likewise.training.step.row_optimizer import RowSGD
        >>> with place_classes(Placement(sample=0.1)):
        ...     head = ArcFace(num_classes=1000, embedding_dim=8)
        >>> optimizer = RowSGD([{"params": [head.weight], "rows": True}], lr=0.1, momentum=0.9)
        >>> head(torch.randn(4, 8), torch.arange(4)).backward()
        >>> optimizer.step()
        >>> int(optimizer.state[head.weight]["momentum_buffer"].any(dim=1).sum())
        100
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        folder: Path | None = None,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.folder = folder

    def _moments(self, weight: Tensor, group: Group) -> dict[str, tuple[int, ...]]:
        return {"momentum_buffer": tuple(weight.shape)} if group["momentum"] else {}

    def _move(
        self,
        weight: Tensor,
        grad: Tensor,
        moments: State,
        step: int,  # noqa: ARG002 (momentum has no bias to correct)
        group: Group,
    ) -> None:
        if group["weight_decay"]:
            grad = grad.add(weight, alpha=group["weight_decay"])
        if moments:
            grad = moments["momentum_buffer"].mul_(group["momentum"]).add_(grad)
        weight.add_(grad, alpha=-group["lr"])


class RowAdamW(_RowOptimizer, torch.optim.AdamW):
    """AdamW at the rows that took part; a row that did not keeps its moments and does not decay.

    The bias of the moments is corrected by the number of steps of the whole, as torch does it,
    not by how often a row took part. With every row taking part, and ``moments="full"``, this is
    ``torch.optim.AdamW``.

    ``moments="row"`` keeps one number a row, the mean square of its gradients, and no first
    moment: ``v ← β₂·v + (1-β₂)·mean(g²)``, ``w ← (1 - lr·λ)·w - lr·g/(√v̂ + ε)``. In place of two
    copies of the weights it takes 1/D of one. (Row-wise second moments: Adafactor, arXiv
    1804.04235, and the row-wise Adagrad of large embedding tables, arXiv 1906.00091.)

    Args:
        params: groups of parameters, as for torch's; those of class rows have ``rows=True``.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ.
        moments: ``"full"`` or ``"row"``, for class rows.
        folder: where they are memory-mapped; None for in memory.

    Raises:
        InputError: unknown moments.

    Example:
        >>> import torch
        >>> from likewise.losses import ArcFace, Placement, place_classes
        >>> from likewise.training.step.row_optimizer import RowAdamW
        >>> with place_classes(Placement(sample=0.1)):
        ...     head = ArcFace(num_classes=1000, embedding_dim=8)
        >>> rows = [{"params": [head.weight], "rows": True}]
        >>> optimizer = RowAdamW(rows, lr=1e-3, moments="row")
        >>> head(torch.randn(4, 8), torch.arange(4)).backward()
        >>> optimizer.step()
        >>> {name: list(x.shape) for name, x in optimizer.state[head.weight].items()}
        {'step': [], 'row_square': [1000]}
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        moments: Moments = "full",
        folder: Path | None = None,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        self.moments = one_of("moments", moments, ("full", "row"))
        self.folder = folder

    def _moments(
        self,
        weight: Tensor,
        group: Group,  # noqa: ARG002 (the same for all)
    ) -> dict[str, tuple[int, ...]]:
        if self.moments == "row":
            return {"row_square": (len(weight),)}
        return {"exp_avg": tuple(weight.shape), "exp_avg_sq": tuple(weight.shape)}

    def _move(self, weight: Tensor, grad: Tensor, moments: State, step: int, group: Group) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        weight.mul_(1 - lr * group["weight_decay"])
        correction = (1 - beta2**step) ** 0.5
        if self.moments == "row":
            mean = grad.square().mean(dim=tuple(range(1, grad.ndim))) if grad.ndim > 1 else grad**2
            square = moments["row_square"].lerp_(mean, 1 - beta2)
            spread = (square.sqrt() / correction).add_(group["eps"])
            weight.addcdiv_(grad, spread.view(-1, *[1] * (grad.ndim - 1)), value=-lr)
            return
        first = moments["exp_avg"].lerp_(grad, 1 - beta1)
        square = moments["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        spread = (square.sqrt() / correction).add_(group["eps"])
        weight.addcdiv_(first, spread, value=-lr / (1 - beta1**step))


def _take(tensor: Tensor, rows: Rows) -> Tensor:
    """These rows: a view of a stretch, a copy of scattered ones."""
    return tensor[rows] if isinstance(rows, slice) else tensor.index_select(0, rows)


def _blocks(grad: Tensor) -> Iterator[tuple[Rows, Tensor]]:
    """The rows of a gradient, dense or sparse, some at a time."""
    rows, values = None, grad
    if grad.is_sparse:
        grad = grad.coalesce()
        rows, values = grad.indices()[0], grad.values()
    width = values[0].numel() if len(values) else 1
    size = _BLOCK_BYTES if values.device.type == "cpu" else 2**27
    step = max(1, size // (width * values.element_size()))
    for start in range(0, len(values), step):
        span = slice(start, min(start + step, len(values)))
        yield span if rows is None else rows[span], values[span]
