"""A pytest plugin: what is loaded before the first test is not searched for garbage.

A hundred thousand objects come into being while modules load and tests are collected, and stay to
the end. Looking through all of them again and again took a fifth of that time in each process, and
went on between the tests. What the tests leave is searched less often than Python does by itself.
"""

import gc
from collections.abc import Generator

import pytest

THRESHOLDS = (20_000, 20, 50)
"""New objects before the youngest are searched; searches of them before the older ones are."""

gc.disable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """xdist's controller, which collects nothing, comes by here as well."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.enable()
