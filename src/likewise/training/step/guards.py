"""Guards: a step that is not finite is not taken, and the module and the photos are named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError
from likewise.losses.checks import DeferredCheck, defer_checks
from likewise.training.distributed.agreement import Agreement
from likewise.training.step.buffers import StateCopy
from likewise.training.step.culprit import culprit_backward, culprit_forward

__all__ = ["REMEDY", "NotFinite", "StepGuard", "Stopped"]

log = logging.getLogger(__name__)
NAMED = 3  # photos in a line; train.log has them all
ELSEWHERE = "not finite on another process"
REMEDY = "Try a lower optimizer.lr, a longer schedule.warmup_epochs, or training.precision=float32"


class NotFinite(LikewiseError):
    """A step came upon a number that is not finite.

    Args:
        what: the embeddings, the loss or the gradient.
        rows: which photos of the batch, [B] bool; None for all.
        told: what is known about it beyond that.
    """

    def __init__(self, what: str, rows: Tensor | None = None, told: str = "") -> None:
        super().__init__(f"the {what} is {told or 'not finite'}")
        self.what = what
        self.rows = rows


class Stopped(LikewiseError):
    """A guard ends the run; weights, optimiser and averages are those of the last good step."""

    agreed = True  # by all processes, so one of them tells it


class StepGuard:
    """Lets a step through or takes it back.

    Args:
        module: the network, whose running averages a bad step must not move.
        loss: its loss, whose running state must not either.
        most: steps in a row that may be skipped.
        agreement: how all processes come to the same decision.

    Attributes:
        in_a_row: the steps skipped since the last good one.
        skipped: the steps skipped in this run.
    """

    def __init__(self, module: nn.Module, loss: nn.Module, most: int, agreement: Agreement) -> None:
        self.module = module
        self.loss = loss
        self.most = most
        self.agreement = agreement
        self.before = StateCopy(module, loss)
        self.in_a_row = 0
        self.skipped = 0
        self._finite: Tensor | None = None
        self._value: Tensor | None = None
        self._refusals: list[DeferredCheck] = []

    def begin(self) -> None:
        """Remember what the forward pass will move."""
        self.before.take()
        self._forget()

    def _forget(self) -> None:
        self._finite, self._value, self._refusals = None, None, []

    def embeddings(self, embeddings: Tensor) -> Tensor:
        """The embeddings [B, D] for the loss, zero where they are not finite: see ``settle``."""
        self._finite = embeddings.detach().isfinite().all(dim=1)
        return torch.where(self._finite[:, None], embeddings, 0)

    def value(self, loss: Callable[[], Tensor]) -> Tensor:
        """The loss; what is wrong with its numbers ``settle`` tells.

        Raises:
            InputError: the batch is wrong, not the numbers.
            NotFinite: on every process, if the loss refuses the numbers on one by itself.
        """
        told = ""
        with defer_checks() as self._refusals:
            try:
                self._value = loss()
            except InputError:
                raise
            except LikewiseError as error:
                told = f"not finite ({error})"
            except Exception:
                self._refuse()  # such as a label out of range, which made it stumble
                raise
        if not self.agreement.everyone(self._value is not None) or self._value is None:
            raise NotFinite("loss", told=told or ELSEWHERE)
        return self._value

    def settle(self, norm: Tensor | None = None) -> None:
        """After the backward pass look at everything: the one time that a step waits for numbers.

        Args:
            norm: the length of the gradient, if that is to be finite.

        Raises:
            NotFinite: on every process, if the embeddings, the loss or the gradient are not finite
                on one.
            InputError: what the loss refused.
        """
        finite, value = self._finite, self._value
        if finite is None or value is None:
            raise RuntimeError("settle: nothing was computed")  # a mistake of the caller
        flags = [~finite.all(), *(refusal.wrong for refusal in self._refusals)]
        flags += [~value.detach().isfinite(), *(() if norm is None else (~norm.isfinite(),))]
        wrong: list[bool] = torch.stack([flag.to(value.device) for flag in flags]).tolist()
        of_loss = any(wrong[1 : 2 + len(self._refusals)])
        told = [wrong[0], of_loss, norm is not None and wrong[-1]]
        of_network, of_loss_anywhere, of_gradient = self.agreement.sums(told)
        if of_network:
            raise NotFinite("output of the network", ~finite)
        if of_loss_anywhere:
            raise NotFinite("loss", told=self._told(value) if of_loss else ELSEWHERE)
        if of_gradient:
            raise NotFinite("gradient")

    def _told(self, value: Tensor) -> str:
        """What is wrong with the loss."""
        try:
            self._refuse()
        except InputError:
            raise
        except LikewiseError as error:
            return f"not finite ({error})"
        return f"{float(value.detach()):g}"

    def _refuse(self) -> None:
        for refusal in self._refusals:
            if bool(refusal.wrong):
                raise refusal.error()

    def passed(self) -> None:
        """A good step was taken."""
        self.in_a_row = 0
        self._forget()

    def skip(
        self, found: NotFinite, step: int, names: Sequence[str], run: Callable[[], object]
    ) -> None:
        """Take the step back, and say whose fault it is.

        Args:
            found: what was not finite.
            step: the number of the step.
            names: the photos of the batch, as far as they are known.
            run: embeds the batch once more, to find the module.

        Raises:
            Stopped: more steps in a row were skipped than may be.
        """
        self.before.put_back()
        if found.what == "gradient":
            who = f"first in {culprit_backward(self.module, self.loss)}"
        elif found.what == "loss":
            who = f"made by {type(self.loss).__name__} from finite embeddings"
        else:
            who = f"first in {culprit_forward(self.module, run)}"
        self.module.zero_grad(set_to_none=True)
        self.loss.zero_grad(set_to_none=True)
        self.in_a_row += 1
        self.skipped += 1
        rows = found.rows.nonzero()[:, 0].tolist() if found.rows is not None else range(len(names))
        photos = [names[row] for row in rows if row < len(names)]
        message = f"step {step}: {found}, {who}{_shown(photos)}"
        log.info("step %d: photos: %s", step, ", ".join(photos) or "not known")
        if self.in_a_row > self.most:
            raise Stopped(
                f"training: {message}; {self.in_a_row} such steps in a row. The weights before "
                f"them are kept. {REMEDY}"
            )
        log.warning("%s; skipped", message)

    def scale(self, scaler: torch.amp.GradScaler) -> None:
        """Look at the loss scale of float16 after a step.

        Raises:
            Stopped: it has fallen below 1: the gradient overflows however small it is made.
        """
        if scaler.is_enabled() and scaler.get_scale() < 1:
            raise Stopped(
                f"training: the loss scale has fallen to {scaler.get_scale():g}: gradients "
                "overflow float16 at any scale. Use training.precision=bf16 or float32, or a "
                "lower optimizer.lr"
            )


def _shown(photos: Sequence[str]) -> str:
    if not photos:
        return ""
    more = f" and {len(photos) - NAMED:,} more" if len(photos) > NAMED else ""
    return f"; photos {', '.join(photos[:NAMED])}{more}"
