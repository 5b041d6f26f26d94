"""The pool hands out working connections without checking recently used ones."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from psycopg import Connection
from psycopg_pool import ConnectionPool

from common.postgres import base

pytestmark = pytest.mark.django_db


class Counting(Connection[Any]):
    """Counts the questions whether it is alive."""

    asked = 0

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        type(self).asked += query == ""
        return super().execute(query, *args, **kwargs)


@pytest.fixture
def pool() -> Iterator[ConnectionPool[Any]]:
    Counting.asked = 0
    wrapper = base.DatabaseWrapper(
        {
            **connection.settings_dict,
            "OPTIONS": {
                **settings.DATABASES["default"]["OPTIONS"],
                "pool": {"min_size": 1, "max_size": 1, "timeout": 5, "connection_class": Counting},
            },
        },
        alias="pooled",
    )
    own_pool = wrapper.pool
    assert own_pool is not None
    assert wrapper.pool is own_pool
    own_pool.open()
    yield own_pool
    wrapper.close_pool()


def test_a_recently_used_connection_is_not_checked_again(
    pool: ConnectionPool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        with pool.connection() as line:
            assert line.execute("SELECT 1").fetchone() == (1,)
    assert Counting.asked == 1

    monkeypatch.setattr(base, "UNCHECKED_SECONDS", 0.0)
    with pool.connection():
        assert Counting.asked == 2


def test_a_connection_that_the_server_has_ended_is_not_handed_out(
    pool: ConnectionPool[Any],
) -> None:
    with pool.connection() as line:
        ended = line.info.backend_pid
    with connection.cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
        assert other.fetchone() == (True,)
    with pool.connection() as line:
        assert line.info.backend_pid != ended
        assert line.execute("SELECT 1").fetchone() == (1,)
