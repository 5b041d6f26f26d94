"""A pytest plugin: the tests' calls cost the same at every depth (see common/frames.py)."""

import pytest

from common.frames import call_with_room

_has_room = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> object:
    """Call the hook again with room; the second time, leave it to pytest."""
    if config.stash.get(_has_room, False):
        return None
    config.stash[_has_room] = True
    return call_with_room(config.hook.pytest_cmdline_main, config=config)
