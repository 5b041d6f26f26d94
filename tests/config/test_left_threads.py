"""The plugin that names a test which leaves a thread running sees such a thread."""

import threading

from tests import left_threads


def test_a_thread_is_left_until_it_ends() -> None:
    released = threading.Event()
    thread = threading.Thread(target=released.wait)
    thread.start()
    try:
        assert left_threads.left() == [thread]
    finally:
        released.set()
        thread.join()
    assert left_threads.left() == []
