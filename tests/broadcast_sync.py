"""Wait until this process has received every broadcast invalidation sent so far."""

import threading

from common import invalidation
from common.ids import new_id
from common.redis import client
from tests.waiting import PATIENCE, wait_until

ECHO = "tests.echo"
_received_ids: set[str] = set()
_arrival = threading.Condition()


def receive_broadcasts() -> None:
    """Return when this process has received every message published so far, its own included: a
    late one would drop a copy that the test has made since."""
    wait_until(invalidation.is_listening)
    message_id = new_id("req")
    client().publish(invalidation.channel(), invalidation.message(ECHO, message_id))
    with _arrival:
        assert _arrival.wait_for(lambda: message_id in _received_ids, timeout=PATIENCE)
        _received_ids.clear()


def _receive(message_id: str) -> None:
    with _arrival:
        _received_ids.add(message_id)
        _arrival.notify_all()


invalidation.register(ECHO, drop=_receive, drop_all=lambda: None)
