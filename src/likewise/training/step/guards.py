"""Guards: a step with a number that is not finite is skipped, and a warning names its source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from likewise.errors import InputError, LikewiseError
from likewise.losses.checks import DeferredCheck, defer_checks
from likewise.training.distributed.processes import Processes
from likewise.training.step.buffers import StateCopy, preserved_buffers
from likewise.training.step.random_state import random_state, restore_random_state

__all__ = [
    "REMEDY",
    "NotFinite",
    "StepGuard",
    "Stopped",
    "find_nonfinite_gradient",
    "find_nonfinite_output",
]

log = logging.getLogger(__name__)
NAMED = 3  # photos in a warning; train.log lists all of them
ON_ANOTHER_RANK = "not finite on another rank"
REMEDY = "Try a lower optimizer.lr, a longer schedule.warmup_epochs, or training.precision=float32"


class NotFinite(LikewiseError):
    """A step computed a number that is not finite.

    Args:
        what: the output of the network, the loss or the gradient.
        rows: the photos of the batch concerned, [B] bool; None if they are not known.
        problem: what is wrong, in place of "not finite".
    """

    def __init__(self, what: str, rows: Tensor | None = None, problem: str = "") -> None:
        super().__init__(f"the {what} is {problem or 'not finite'}")
        self.what = what
        self.rows = rows


class Stopped(LikewiseError):
    """A guard ends the run; weights, optimiser and EMA are those of the last good step."""

    on_all_ranks = True  # so rank 0 alone reports it


class StepGuard:
    """Accepts a step, or skips it and restores the state before it.

    Args:
        module: the network, whose running statistics a skipped step must not change.
        loss: whose running state a skipped step must not change either.
        most: how many steps in a row may be skipped.
        processes: all ranks take the same decision.

    Attributes:
        in_a_row: the steps skipped since the last good one.
        skipped: the steps skipped in this run.
    """

    def __init__(self, module: nn.Module, loss: nn.Module, most: int, processes: Processes) -> None:
        self.module = module
        self.loss = loss
        self.most = most
        self.processes = processes
        self.before = StateCopy(module, loss)
        self.in_a_row = 0
        self.skipped = 0
        self._finite: Tensor | None = None
        self._value: Tensor | None = None
        self._refusals: list[DeferredCheck] = []

    def begin(self) -> None:
        """Copy the state that the forward pass changes."""
        self.before.save()
        self._clear()

    def _clear(self) -> None:
        self._finite, self._value, self._refusals = None, None, []

    def embeddings(self, embeddings: Tensor) -> Tensor:
        """The embeddings [B, D] for the loss, zero where they are not finite; see ``check``."""
        self._finite = embeddings.detach().isfinite().all(dim=1)
        return torch.where(self._finite[:, None], embeddings, 0)

    def value(self, loss: Callable[[], Tensor]) -> Tensor:
        """Compute the loss; ``check`` reports numbers that are not finite.

        Raises:
            InputError: the batch is wrong, such as a label out of range.
            NotFinite: on every rank, if the loss raises an error about its numbers on one.
        """
        problem = ""
        with defer_checks() as self._refusals:
            try:
                self._value = loss()
            except InputError:
                raise
            except LikewiseError as error:
                problem = f"not finite ({error})"
            except Exception:
                self._raise_refusal()  # the cause, such as a label out of range
                raise
        if not self.processes.all(self._value is not None) or self._value is None:
            raise NotFinite("loss", problem=problem or ON_ANOTHER_RANK)
        return self._value

    def check(self, norm: Tensor | None = None) -> None:
        """After the backward pass, check everything: the one time that a step waits for the GPU.

        Args:
            norm: of the gradient, if that has to be finite.

        Raises:
            NotFinite: on every rank, if the embeddings, the loss or the gradient are not finite
                on one.
            InputError: the loss refuses its input.
        """
        finite, value = self._finite, self._value
        if finite is None or value is None:
            raise RuntimeError("check: no forward pass came before")  # a mistake of the caller
        flags = [~finite.all(), *(refusal.wrong for refusal in self._refusals)]
        flags += [~value.detach().isfinite(), *(() if norm is None else (~norm.isfinite(),))]
        wrong: list[bool] = torch.stack([flag.to(value.device) for flag in flags]).tolist()
        own_loss = any(wrong[1 : 2 + len(self._refusals)])
        found = [wrong[0], own_loss, norm is not None and wrong[-1]]
        network, any_loss, gradient = self.processes.sum(found)
        if network:
            raise NotFinite("output of the network", ~finite)
        if any_loss:
            raise NotFinite("loss", problem=self._problem(value) if own_loss else ON_ANOTHER_RANK)
        if gradient:
            raise NotFinite("gradient")

    def _problem(self, value: Tensor) -> str:
        """What is wrong with the loss."""
        try:
            self._raise_refusal()
        except InputError:
            raise
        except LikewiseError as error:
            return f"not finite ({error})"
        return f"{float(value.detach()):g}"

    def _raise_refusal(self) -> None:
        for refusal in self._refusals:
            if bool(refusal.wrong):
                raise refusal.error()

    def accept(self) -> None:
        """Note that the step was good."""
        self.in_a_row = 0
        self._clear()

    def skip(
        self, found: NotFinite, step: int, names: Sequence[str], run: Callable[[], object]
    ) -> None:
        """Restore the state before the step, and warn with the source of the problem.

        Args:
            found: what was not finite.
            step: the number of the step.
            names: the photos of the batch, as far as they are known.
            run: embeds the batch once more, to find the layer.

        Raises:
            Stopped: too many steps in a row were skipped.
        """
        self.before.restore()
        if found.what == "gradient":
            source = f"first in {find_nonfinite_gradient(self.module, self.loss)}"
        elif found.what == "loss":
            source = f"made by {type(self.loss).__name__} from finite embeddings"
        else:
            source = f"first in {find_nonfinite_output(self.module, run)}"
        self.module.zero_grad(set_to_none=True)
        self.loss.zero_grad(set_to_none=True)
        self.in_a_row += 1
        self.skipped += 1
        rows = found.rows.nonzero()[:, 0].tolist() if found.rows is not None else range(len(names))
        photos = [names[row] for row in rows if row < len(names)]
        message = f"step {step}: {found}, {source}{_some(photos)}"
        log.info("step %d: photos: %s", step, ", ".join(photos) or "not known")
        if self.in_a_row > self.most:
            raise Stopped(
                f"training: {message}; {self.in_a_row} such steps in a row. The weights before "
                f"them are kept. {REMEDY}"
            )
        log.warning("%s; skipped", message)

    def check_scale(self, scaler: torch.amp.GradScaler) -> None:
        """Check the loss scale of float16 after a step.

        Raises:
            Stopped: it has fallen below 1: the gradient overflows at any scale.
        """
        if scaler.is_enabled() and scaler.get_scale() < 1:
            raise Stopped(
                f"training: the loss scale has fallen to {scaler.get_scale():g}: gradients "
                "overflow float16 at any scale. Use training.precision=bf16 or float32, or a "
                "lower optimizer.lr"
            )


def _some(photos: Sequence[str]) -> str:
    if not photos:
        return ""
    more = f" and {len(photos) - NAMED:,} more" if len(photos) > NAMED else ""
    return f"; photos {', '.join(photos[:NAMED])}{more}"


@torch.no_grad()
def find_nonfinite_output(module: nn.Module, run: Callable[[], object]) -> str:
    """The first layer whose output is not finite when ``run`` embeds the batch once more.

    Weights are checked first: one that is not finite spoils every output after it. Buffers and
    random generators stay as they are.
    """
    for name, parameter in module.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"the weights {name}"
    found: list[str] = []
    handles: list[RemovableHandle] = []
    for name, part in module.named_modules():
        if name and not list(part.children()):
            handles.append(part.register_forward_hook(_record_not_finite(name, found)))
    before = random_state()
    try:
        with preserved_buffers(module):
            run()
    finally:
        restore_random_state(before)
        for handle in handles:
            handle.remove()
    return found[0] if found else "no single layer (an operation between layers)"


def _record_not_finite(name: str, found: list[str]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(part: nn.Module, _: Any, output: Any) -> None:
        if not found and isinstance(output, Tensor) and not bool(output.isfinite().all()):
            found.append(f"{name} ({type(part).__name__})")

    return hook


def find_nonfinite_gradient(module: nn.Module, loss: nn.Module) -> str:
    """The weights where the gradient stops being finite.

    The backward pass runs from the loss to the first layer. So the source is the loss, if its own
    weights have such a gradient; otherwise the last layer that has one.
    """
    for part in (loss, module):
        for name, parameter in reversed(list(part.named_parameters())):
            grad = parameter.grad
            if grad is None:
                continue
            values = grad.coalesce()._values() if grad.is_sparse else grad
            if not bool(values.isfinite().all()):
                owner = f"of {type(loss).__name__}" if part is loss else "of the network"
                return f"{name} {owner}"
    return "no single weight"
