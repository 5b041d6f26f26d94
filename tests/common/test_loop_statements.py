"""Statements that the event loop executes itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection

from common import prepared_statements
from common.loop_statements import LoopStatement, NotReady
from tests.stops.blocking import database_url
from tests.threads import run_in_a_loop
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "SELECT %(number)s::bigint + 1"
DIVIDE = "SELECT 1 / %(number)s::bigint"
SLEEP = "SELECT pg_sleep(%(number)s::bigint), pg_backend_pid()"
LENGTH = "SELECT octet_length(%(body)s::bytea)::bigint, %(body)s::bytea"
PID = "SELECT pg_backend_pid() + %(number)s::bigint"


def play(statement: str, story: Callable[[LoopStatement], Awaitable[None]], **first: Any) -> None:
    async def run() -> None:
        loop_statement = LoopStatement(statement)
        opened = await asyncio.to_thread(_open, loop_statement, first or {"number": 0})
        loop_statement.adopt(opened)
        try:
            await asyncio.wait_for(story(loop_statement), PATIENCE)
        finally:
            loop_statement.close()

    run_in_a_loop(run)


def _open(statement: LoopStatement, parameters: dict[str, Any]) -> psycopg.Connection[Any]:
    opened = statement.open(parameters)
    assert opened is not None
    return opened


def terminate(pid: int) -> None:
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_rows_of_one_execution_after_the_other() -> None:
    async def story(statement: LoopStatement) -> None:
        for number in range(50):
            assert await statement.fetch_rows({"number": number}) == [(number + 1,)]

    play(NUMBER, story)


def test_values_that_do_not_fit_into_the_socket() -> None:
    async def story(statement: LoopStatement) -> None:
        body = bytes(range(256)) * 40_000
        for _ in range(3):
            assert await statement.fetch_rows({"body": body}) == [(len(body), body)]

    play(LENGTH, story, body=b"")


def test_the_loop_goes_on_while_a_statement_runs() -> None:
    async def story(statement: LoopStatement) -> None:
        running = asyncio.ensure_future(statement.fetch_rows({"number": 1}))
        await asyncio.sleep(0.01)
        assert not running.done()
        with pytest.raises(NotReady):
            await statement.fetch_rows({"number": 0})
        assert len(await running) == 1

    play(SLEEP, story)


def test_an_error_of_the_server_has_its_code_and_harms_no_later_execution() -> None:
    async def story(statement: LoopStatement) -> None:
        with pytest.raises(DatabaseError) as raised:
            await statement.fetch_rows({"number": 0})
        assert not prepared_statements.is_outcome_unknown(raised.value)
        assert await statement.fetch_rows({"number": 1}) == [(1,)]

    play(DIVIDE, story)


def test_values_of_another_type_are_not_sent() -> None:
    async def story(statement: LoopStatement) -> None:
        with pytest.raises(NotReady):
            await statement.fetch_rows({"number": "1"})
        with pytest.raises(NotReady):
            await statement.fetch_rows({"number": object()})
        assert await statement.fetch_rows({"number": 1}) == [(2,)]

    play(NUMBER, story)


def test_a_connection_that_ends_between_two_executions_is_noticed() -> None:
    async def story(statement: LoopStatement) -> None:
        ((pid,),) = await statement.fetch_rows({"number": 0})
        await asyncio.to_thread(terminate, pid)
        while statement.is_open:
            await asyncio.sleep(0.001)
        with pytest.raises(NotReady):
            await statement.fetch_rows({"number": 0})

    play(PID, story)


def test_nobody_knows_the_outcome_when_the_connection_is_closed_during_an_execution() -> None:
    async def story(statement: LoopStatement) -> None:
        running = asyncio.ensure_future(statement.fetch_rows({"number": 60}))
        await asyncio.sleep(0.01)
        statement.close()
        with pytest.raises(OperationalError) as raised:
            await running
        assert prepared_statements.is_outcome_unknown(raised.value)
        assert not statement.is_open

    play(SLEEP, story)


def test_the_answer_of_a_canceled_execution_is_never_taken_for_another_one() -> None:
    async def story(statement: LoopStatement) -> None:
        running = asyncio.ensure_future(statement.fetch_rows({"number": 1}))
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        with pytest.raises(NotReady):
            await statement.fetch_rows({"number": 0})

    play(SLEEP, story)


def test_behind_a_transaction_pooler_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    assert LoopStatement(NUMBER).open({"number": 0}) is None
