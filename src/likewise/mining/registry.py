"""Miners by name, for losses, recipes and the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.mining.curriculum import Curriculum
from likewise.mining.pairs import (
    AdjacentPairs,
    BalancedPairs,
    MultiSimilarityPairs,
    PairMiner,
)
from likewise.mining.triplets import (
    BatchHard,
    DistanceWeighted,
    EasyPositive,
    SemiHard,
    TripletMiner,
)

__all__ = ["Miner", "MinerChoice", "create_miner", "list_miners", "pair_miner", "register_miner"]

Miner: TypeAlias = PairMiner | TripletMiner
"""Called with dissimilarities [B, M] and the masks of same and different pairs [B, M]."""
MinerChoice: TypeAlias = str | Mapping[str, Any] | Miner | None
"""A name, a name with parameters (``{"name": "multi_similarity", "epsilon": 0.05}``), a miner."""
Maker = TypeVar("Maker", bound=Callable[..., Miner])

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
EVERY = ("all", "batch_all")
"""Names of no mining."""
REGISTERED: dict[str, Callable[..., Miner]] = {
    "adjacent": AdjacentPairs,
    "balanced": BalancedPairs,
    "batch_hard": BatchHard,
    "curriculum": Curriculum,
    "distance_weighted": DistanceWeighted,
    "easy_positive": EasyPositive,
    "multi_similarity": MultiSimilarityPairs,
    "semi_hard": SemiHard,
}


def list_miners() -> list[str]:
    """The names that :func:`create_miner` knows, sorted.

    Example:
        >>> from likewise.mining import list_miners
        >>> "multi_similarity" in list_miners()
        True
    """
    return sorted([*EVERY, *REGISTERED])


def register_miner(name: str) -> Callable[[Maker], Maker]:
    """Decorator: make a miner of your own known by name to all losses and to recipes.

    It decorates a class whose instances are miners of pairs or of triplets, or a function that
    returns one; its parameters are those of the name.

    Raises:
        InputError: a name that is taken or holds other characters than letters, digits, ``_``.

    Example::

        @register_miner("near")
        @dataclass(frozen=True)
        class Near:
            most: float = 0.5

            def __call__(self, dissimilarities, same, different):
                return same, different & (dissimilarities < self.most)
    """
    if not (isinstance(name, str) and name.isidentifier()):
        raise InputError(f"register_miner: {name!r}; must be a name of letters, digits and _")
    if name in list_miners():
        raise InputError(f"register_miner: {name}: the name is taken; choose another one")

    def register(maker: Maker) -> Maker:
        REGISTERED[name] = maker
        return maker

    return register


def create_miner(miner: MinerChoice) -> Miner | None:
    """The miner that this describes; None keeps every pair.

    Args:
        miner: one of :func:`list_miners`; a mapping of ``name`` and the parameters of the miner;
            a miner, which is returned; or None, which is ``"all"``.

    Raises:
        InputError: an unknown name or parameter (the nearest is suggested), a parameter that is
            missing, a value that the miner refuses, or something that is not a miner.

    Example:
        >>> from likewise.mining import create_miner
        >>> create_miner({"name": "multi_similarity", "epsilon": 0.05})
        MultiSimilarityPairs(epsilon=0.05)
    """
    if miner is None:
        return None
    given: dict[str, Any] = {}
    if isinstance(miner, Mapping):
        given = dict(miner)
        miner = given.pop("name", None)
        if miner is None:
            raise InputError("miner: no name; write {name: multi_similarity, epsilon: 0.05}")
    if not isinstance(miner, str):
        if given or not callable(miner):
            raise InputError(f"miner: {miner!r}; must be a name or a miner")
        return miner
    one_of("miner", miner, list_miners())
    maker = None if miner in EVERY else REGISTERED[miner]
    known = {} if maker is None else inspect.signature(maker).parameters
    for key in given:
        if not known:
            raise InputError(f"miner.{key}: the miner {miner} has no parameters; leave it out")
        one_of(f"parameter of the miner {miner}", key, known)
    for key, parameter in known.items():
        if parameter.default is parameter.empty and parameter.kind in _BY_NAME and key not in given:
            raise InputError(f"miner.{key}: none given; the miner {miner} needs it")
    return None if maker is None else maker(**given)


def pair_miner(miner: MinerChoice) -> Miner | None:
    """The earlier name of :func:`create_miner`."""
    return create_miner(miner)
