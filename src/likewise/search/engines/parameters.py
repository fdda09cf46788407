"""Build and search parameters of a family: name, default, bounds and meaning of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from likewise.arguments import check_count, check_number, one_of
from likewise.errors import InputError

__all__ = ["Parameter", "Settings", "checked_settings", "parse_settings"]

Setting = int | float | str
Settings = dict[str, Setting]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family.

    Args:
        name: as users write it.
        default: the value if the user gives none; None if the family computes it from the number
            of vectors.
        meaning: what it does, in one line.
        low: the smallest allowed number.
        high: the largest allowed number.
        choices: the allowed values, instead of bounds.
        real: numbers need not be whole.
    """

    name: str
    default: Setting | None
    meaning: str
    low: float = 1
    high: float = 2**31 - 1
    choices: tuple[Setting, ...] = ()
    real: bool = False

    def checked(self, value: object, family: str) -> Setting:
        """``value`` in this parameter's type.

        Raises:
            InputError: names the parameter, the value, and what is allowed.
        """
        where = f"{family}: {self.name}"
        if self.choices:
            words = {str(choice): choice for choice in self.choices}
            return words[one_of(where, str(value), words)]
        try:
            number = float(str(value))
        except ValueError:
            raise InputError(f"{where}: {value!r}; must be a number") from None
        if self.real:
            return check_number(where, number, least=self.low, most=self.high)
        whole = int(number) if number.is_integer() else value
        return check_count(where, whole, least=int(self.low), most=int(self.high))


def checked_settings(
    family: str, parameters: Iterable[Parameter], given: Mapping[str, object] | None
) -> Settings:
    """The given settings, checked, and the defaults of the others.

    A parameter that is neither given nor has a default is left out.

    Raises:
        InputError: an unknown parameter (the nearest name is suggested), or a value out of bounds.
    """
    known = {parameter.name: parameter for parameter in parameters}
    found: Settings = {}
    for name, value in (given or {}).items():
        if not known:
            raise InputError(f"{family}: parameter {name}: unknown; this family has none")
        found[name] = known[one_of(f"{family}: parameter", name, known)].checked(value, family)
    for name, parameter in known.items():
        if name not in found and parameter.default is not None:
            found[name] = parameter.default
    return found


def parse_settings(words: Iterable[str], option: str = "--set") -> dict[str, str]:
    """Read ``NAME=VALUE`` words of the command line.

    Args:
        words: as they were written.
        option: for the error message.

    Raises:
        InputError: a word without ``=``.

    Example:
        >>> from likewise.search.engines.parameters import parse_settings
        >>> parse_settings(["lists=1024"])
        {'lists': '1024'}
    """
    pairs: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name or not value:
            raise InputError(f"{option}: {word!r}; write NAME=VALUE, as in lists=1024")
        pairs[name.strip()] = value.strip()
    return pairs
