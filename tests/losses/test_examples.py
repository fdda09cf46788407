"""The examples in the docstrings of the losses run, with nothing imported but what they import."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import likewise.losses

MODULES = [module.name for module in pkgutil.iter_modules(likewise.losses.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"likewise.losses.{name}")
    assert doctest.testmod(module, globs={}).failed == 0
