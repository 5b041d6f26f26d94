"""A connection that a thread leaves open is found, closed, and named with its test."""

import pytest
from django.db import connection

from tests import left_connections
from tests.threads import run_in_a_thread

pytestmark = pytest.mark.django_db(transaction=True)


def ask_database() -> None:
    """Use the connection of this thread."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def ask_database_and_close() -> None:
    ask_database()
    connection.close()


def test_a_connection_that_an_ended_thread_left_open_is_found_and_closed(
    request: pytest.FixtureRequest,
) -> None:
    run_in_a_thread(ask_database)
    (left,) = left_connections.take_left()
    assert (left.test, left.is_closed) == (request.node.nodeid, True)
    assert left_connections.take_left() == []


def test_a_connection_that_was_closed_is_not_found() -> None:
    run_in_a_thread(ask_database_and_close)
    assert left_connections.take_left() == []
