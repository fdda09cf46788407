"""The examples in the docstrings of the losses run, with nothing imported but what they import."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import likewise.losses

MODULES = [
    module.name for module in pkgutil.walk_packages(likewise.losses.__path__, "likewise.losses.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, globs={}).failed == 0
