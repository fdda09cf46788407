"""The knobs of a family: each named, bounded and explained; a wrong one is refused with a hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from likewise.errors import InputError, one_of

__all__ = ["Knob", "Setting", "Settings", "parse_settings", "settled"]

Setting = int | float | str
Settings = dict[str, Setting]


@dataclass(frozen=True)
class Knob:
    """One setting of a family.

    Args:
        name: as users write it.
        default: what is used where the user says nothing; None leaves the choice to the family,
            which knows how many vectors there are.
        meaning: what it does, in a line.
        low: the least value of a number.
        high: the greatest value of a number.
        choices: the allowed words or numbers, in place of bounds.
    """

    name: str
    default: Setting | None
    meaning: str
    low: float = 1
    high: float = 2**31 - 1
    choices: tuple[Setting, ...] = ()
    real: bool = False

    def checked(self, value: object, family: str) -> Setting:
        """``value`` in this knob's type.

        Raises:
            InputError: names the knob, the value, and what is allowed.
        """
        where = f"{family}: {self.name}"
        if self.choices:
            words = {str(choice): choice for choice in self.choices}
            return words[one_of(where, str(value), words)]
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        if not self.real and number == number and number not in (float("inf"), float("-inf")):
            if number != int(number):
                raise InputError(f"{where}: must be a whole number; got {value}")
            number = int(number)
        if not self.low <= number <= self.high:
            raise InputError(f"{where}: must be from {self.low:g} to {self.high:g}; got {value}")
        return number


def settled(family: str, knobs: Iterable[Knob], given: Mapping[str, object] | None) -> Settings:
    """The settings that hold: those given, checked, and the defaults of the rest.

    A knob without a default that is not given is left out.

    Raises:
        InputError: an unknown knob (the nearest is suggested) or a value out of bounds.
    """
    known = {knob.name: knob for knob in knobs}
    found: Settings = {}
    for name, value in (given or {}).items():
        if not known:
            raise InputError(f"{family}: has no such knob ({name}); it has none")
        found[name] = known[one_of(f"{family}: knob", name, known)].checked(value, family)
    for name, knob in known.items():
        if name not in found and knob.default is not None:
            found[name] = knob.default
    return found


def parse_settings(words: Iterable[str], option: str = "--set") -> dict[str, str]:
    """Read ``knob=value`` words, as the command line takes them.

    Args:
        words: as they were written.
        option: named by the error.

    Raises:
        InputError: a word without ``=``.

    Example:
        >>> from likewise.search.families.knobs import parse_settings
        >>> parse_settings(["lists=1024"])
        {'lists': '1024'}
    """
    pairs: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name or not value:
            raise InputError(f"{option}: {word!r}; write knob=value, as in lists=1024")
        pairs[name.strip()] = value.strip()
    return pairs
