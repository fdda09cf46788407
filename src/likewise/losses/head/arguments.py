"""Constructor arguments declared in the class body, as in a dataclass, each with its check.

``margin: float = number(default=0.5, least=0)`` is a keyword argument, its default, its check, and
an attribute of the instance. Type checkers read the declarations as those of a dataclass.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, dataclass_transform

import torch

from likewise.arguments import check_count, check_number, one_of
from likewise.losses.loss import Loss

__all__ = ["DeclaredLoss", "buffer", "choice", "count", "fixed", "number"]

_NONE: Any = inspect.Parameter.empty
Check = Callable[[str, Any], Any]


@dataclass(frozen=True)
class _Argument:
    default: Any = _NONE
    check: Check | None = None
    kw_only: bool = True
    annotation: Any = _NONE


@dataclass(frozen=True)
class _Fixed:
    value: Any


@dataclass(frozen=True)
class _Buffer:
    value: float


def number(*, default: float | str, automatic: bool = False, **bounds: float) -> Any:
    """An argument that is a finite number.

    Args:
        default: its default.
        automatic: also allow the word ``"auto"``.
        bounds: as for :func:`~likewise.arguments.check_number`.
    """

    def check(name: str, value: object) -> object:
        if not automatic:
            return check_number(name, value, **bounds)
        return "auto" if value == "auto" else check_number(f"{name} (or 'auto')", value, **bounds)

    return _Argument(default, check)


def count(*, default: int = _NONE, least: int = 1, kw_only: bool = True) -> Any:
    """An argument that is a whole number of at least ``least``; required if without a default."""
    return _Argument(default, partial(check_count, least=least), kw_only)


def choice(*, default: str, among: Iterable[str]) -> Any:
    """An argument that is one of the words ``among``."""
    return _Argument(default, partial(one_of, allowed=tuple(among)))


def fixed(value: object, *, init: Literal[False] = False) -> Any:  # noqa: ARG001 (for type checkers)
    """No argument of this class, although the parent class has it: it is always ``value``."""
    return _Fixed(value)


def buffer(value: float, *, init: Literal[False] = False) -> Any:  # noqa: ARG001 (for type checkers)
    """A float32 buffer [] that begins with ``value``; checkpoints keep it."""
    return _Buffer(value)


@dataclass_transform(kw_only_default=True, field_specifiers=(buffer, choice, count, fixed, number))
class DeclaredLoss(Loss):
    """A loss whose constructor follows from the annotated attributes of its class body.

    After the arguments are checked and set, ``__post_init__`` builds the rest. A subclass may also
    write an ``__init__`` of its own, and call this one with the arguments of its parent.
    """

    _arguments: ClassVar[dict[str, _Argument]] = {}
    _buffer_values: ClassVar[dict[str, float]] = {}
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in cls.__dict__:
            parameters = list(inspect.signature(cls.__init__).parameters.values())
            cls.__signature__ = inspect.Signature(parameters[1:])  # without self
            return
        cls._arguments, cls._buffer_values = dict(cls._arguments), dict(cls._buffer_values)
        for name, annotation in inspect.get_annotations(cls).items():
            if str(annotation).partition("[")[0] not in ("ClassVar", "typing.ClassVar"):
                cls._declare(name, annotation)
        cls.__signature__ = _signature(cls._arguments)

    @classmethod
    def _declare(cls, name: str, annotation: Any) -> None:
        value = cls.__dict__.get(name, _NONE)
        if isinstance(value, _Buffer):
            cls._buffer_values[name] = value.value
            delattr(cls, name)  # or it would hide the buffer
        elif isinstance(value, _Fixed):
            cls._arguments.pop(name, None)
            setattr(cls, name, value.value)
        else:
            if not isinstance(value, _Argument):  # a plain default, or none
                inherited = cls._arguments.get(name, _Argument())
                value = _Argument(value, inherited.check, inherited.kw_only)
            cls._arguments[name] = _Argument(value.default, value.check, value.kw_only, annotation)
            if value.default is not _NONE:
                setattr(cls, name, value.default)
            elif name in cls.__dict__:
                delattr(cls, name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            bound = _signature(self._arguments).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            check = self._arguments[name].check
            setattr(self, name, value if check is None else check(name, value))
        for name, value in self._buffer_values.items():
            self.register_buffer(name, torch.tensor(value))
        self.__post_init__()

    def __post_init__(self) -> None:
        """Build what does not follow from a single argument."""


def _signature(arguments: dict[str, _Argument]) -> inspect.Signature:
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY
                if argument.kw_only
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=argument.default,
                annotation=argument.annotation,
            )
            for name, argument in arguments.items()
        ]
    )
