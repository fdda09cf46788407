"""SGD and AdamW that update only the class weights with a gradient in this step.

A sampled head leaves a sparse gradient. Its moments have the size of the weights, but are read and
written only at the rows of the gradient, about a megabyte at a time. All other parameters are
updated by torch's optimiser of the same name: one optimiser, one list of groups, one state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from likewise.arguments import one_of
from likewise.losses.classes.mapped_rows import mapped_zeros

__all__ = ["Moments", "RowAdamW", "RowSGD"]

Moments = Literal["full", "row"]
Rows = slice | Tensor
Group = dict[str, Any]
State = dict[str, Tensor]

# Bytes of one block of rows: its weights, gradient and moments should fit into the CPU cache.
_BLOCK_BYTES = 2**20


class _RowOptimizer(torch.optim.Optimizer, ABC):
    """The base of both; a group with ``rows=True`` holds class weights, sparse gradients allowed.

    The state of such a parameter is the number of steps, [], and moments with the first dimension
    of the weights.
    """

    folder: Path | None = None

    @abstractmethod
    def _moments(self, weight: Tensor, group: Group) -> dict[str, tuple[int, ...]]:
        """The names and shapes of the moments of ``weight``."""

    @abstractmethod
    def _update(
        self, weight: Tensor, grad: Tensor, moments: State, step: int, group: Group
    ) -> None:
        """Update a block of rows [r, D] and their moments, in place."""

    def allocate(self) -> None:
        """Allocate the moments of all class weights, zero, where there are none yet.

        A checkpoint that is read block by block can then fill them in place.
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
        """Update every parameter that has a gradient."""
        groups = [group for group in self.param_groups if group.get("rows")]
        kept = [(p, group, p.grad) for group in groups for p in group["params"]]
        for parameter, _, _ in kept:
            parameter.grad = None  # so that torch's own step skips them
        loss: float | None = super().step(closure)
        for parameter, group, grad in kept:
            parameter.grad = grad
            if grad is None:
                continue
            state = self._state_of(parameter, group)
            state["step"] += 1
            moments = {name: tensor for name, tensor in state.items() if name != "step"}
            for rows, part in _blocks(grad):
                self._update_rows(parameter, rows, part, moments, int(state["step"]), group)
        return loss

    def _update_rows(
        self, weight: Tensor, rows: Rows, grad: Tensor, moments: State, step: int, group: Group
    ) -> None:
        own = {name: _take(tensor, rows) for name, tensor in moments.items()}
        updated = _take(weight, rows)
        self._update(updated, grad, own, step, group)
        if isinstance(rows, Tensor):
            weight.index_copy_(0, rows, updated)
            for name, tensor in moments.items():
                tensor.index_copy_(0, rows, own[name])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; the moments of class weights are copied into their own memory or file.

        Raises:
            KeyError: a moment is missing.
            RuntimeError: a moment has another shape.
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
            else:  # it had no step yet
                for tensor in own[parameter].values():
                    tensor.zero_()

    def _listed(self) -> Iterator[tuple[nn.Parameter, Group]]:
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group


class RowSGD(_RowOptimizer, torch.optim.SGD):
    """SGD with momentum, ``v ← μ·v + g + λ·w``, ``w ← w - lr·v``, at the rows with a gradient.

    With Nesterov's momentum ``w ← w - lr·(g + λ·w + μ·v)``, with the new ``v``.

    A row without a gradient keeps its momentum and its weights. With a gradient for every row this
    is ``torch.optim.SGD``.

    Args:
        params: groups of parameters, as in torch; those of class weights have ``rows=True``.
        lr: the learning rate.
        momentum: μ.
        nesterov: whether the momentum is Nesterov's; μ has to be above 0 then.
        weight_decay: λ.
        folder: of memory-mapped moments of class weights; None keeps them in memory.

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
        nesterov: bool = False,
        weight_decay: float = 0.0,
        folder: Path | None = None,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )
        self.folder = folder

    def _moments(self, weight: Tensor, group: Group) -> dict[str, tuple[int, ...]]:
        return {"momentum_buffer": tuple(weight.shape)} if group["momentum"] else {}

    def _update(
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
            velocity = moments["momentum_buffer"].mul_(group["momentum"]).add_(grad)
            grad = grad.add(velocity, alpha=group["momentum"]) if group["nesterov"] else velocity
        weight.add_(grad, alpha=-group["lr"])


class RowAdamW(_RowOptimizer, torch.optim.AdamW):
    """AdamW at the rows with a gradient; other rows keep their moments, and do not decay.

    The bias correction of the moments uses the number of steps of the optimiser, as in torch, not
    how often a row had a gradient. With a gradient for every row and ``moments="full"`` this is
    ``torch.optim.AdamW``.

    ``moments="row"`` keeps one number for each row, the mean square of its gradients, and no first
    moment: ``v ← β₂·v + (1-β₂)·mean(g²)``, ``w ← (1 - lr·λ)·w - lr·g/(√v̂ + ε)``. Its state is 1/D
    of the weights, where AdamW needs two copies of them. (Row-wise second moments: Adafactor, arXiv
    1804.04235, and the row-wise Adagrad of large embedding tables, arXiv 1906.00091.)

    Args:
        params: groups of parameters, as in torch; those of class weights have ``rows=True``.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ.
        moments: of class weights: ``"full"`` or ``"row"``.
        folder: of memory-mapped moments of class weights; None keeps them in memory.

    Raises:
        InputError: ``moments`` is neither.

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

    def _update(
        self, weight: Tensor, grad: Tensor, moments: State, step: int, group: Group
    ) -> None:
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
    """These rows: a view of a slice, a copy for indices."""
    return tensor[rows] if isinstance(rows, slice) else tensor.index_select(0, rows)


def _blocks(grad: Tensor) -> Iterator[tuple[Rows, Tensor]]:
    """The rows of a dense or sparse gradient, block by block."""
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
