"""A named lock keeps others out for as long as its block, whatever else the process does."""

import psycopg
import pytest
from django.db import connection, transaction

from common.locks import try_advisory_lock
from common.prepared_statements import fetch_row

pytestmark = pytest.mark.django_db(transaction=True)


def is_free(name: str) -> bool:
    with try_advisory_lock(name) as is_ours:
        return is_ours


def test_a_lock_keeps_others_out_until_its_block_ends() -> None:
    with try_advisory_lock("reports") as is_ours:
        assert is_ours
        assert not is_free("reports")
        assert is_free("imports")
    assert is_free("reports")


def test_a_lock_stays_over_transactions_and_connections() -> None:
    with try_advisory_lock("reports"):
        for number in range(8):
            with transaction.atomic():
                assert fetch_row("SELECT %(number)s::int", {"number": number}) == (number,)
        connection.close()
        assert not is_free("reports")
    assert is_free("reports")


def test_a_lock_ends_with_an_error_in_its_block() -> None:
    with pytest.raises(LookupError), try_advisory_lock("reports"):
        raise LookupError
    assert is_free("reports")


def test_a_lock_ends_with_its_connection_and_the_work_goes_on() -> None:
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s"
    with try_advisory_lock("reports") as is_ours:
        assert is_ours
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
            rows = other.execute(ended, ["SELECT pg_try_advisory_xact_lock%"]).fetchall()
        assert rows == [(True,)]
        assert is_free("reports")
