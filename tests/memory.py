"""A pytest plugin: what is loaded before the first test is not searched for garbage.

A hundred thousand objects come into being while modules load and tests are collected, and stay to
the end. Looking through all of them again and again took a fifth of that time in each process, and
went on between the tests. What the tests leave is searched as often as in the product: see
``config/__init__.py``.
"""

import gc
from collections.abc import Generator

import pytest

gc.disable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """xdist's controller, which collects nothing, comes by here as well."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
