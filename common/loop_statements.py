"""Constant statements that an event loop executes itself, on a connection of its own.

For a statement that runs so often that the way to a thread and back, and two threads that want the
interpreter, cost more than the statement: the loop sends it, and goes on with other work until the
socket has the answer. It is libpq's asynchronous interface (``psycopg.pq``), as
:mod:`common.prepared_statements` uses the synchronous one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Connection, OperationalError
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from common.prepared_statements import error_of
from common.statement_codec import BoundStatement, Row, bind, read_rows

NAME = b"tollgate_loop"


class NotReady(Exception):
    """The statement cannot be executed here now; nothing was sent."""


class LoopStatement:
    """One statement, which is executed once at a time. Each execution is its own transaction.

    ``open`` runs in a thread; all other methods run in the event loop.
    """

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._connection: Connection[Any] | None = None
        self._socket = -1
        """The connection's, also when libpq has closed it."""
        self._types: tuple[int, ...] = ()
        self._answer: asyncio.Future[None] | None = None
        """What the execution that is under way waits for."""
        self._results: list[PGresult] = []
        """Of that execution. An error in the commit is a result of its own, after the rows."""

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def is_free(self) -> bool:
        """Whether it is open, and no execution is under way."""
        return self._connection is not None and self._answer is None

    def open(self, parameters: Mapping[str, Any]) -> Connection[Any] | None:
        """Connect and prepare the statement for parameters of these types; None behind a
        transaction pooler. Raises psycopg's errors. Hand the result to :meth:`adopt`."""
        wrapper: Any = connections[DEFAULT_DB_ALIAS]
        bound = bind(self._statement, parameters)
        if bound is None or not wrapper.keeps_session:
            return None
        connection = Connection.connect(**wrapper.get_connection_params(), autocommit=True)
        try:
            connection.execute("SET enable_seqscan = off")  # see prepared_statements
            _prepare(connection, bound)
            connection.pgconn.nonblocking = 1
        except BaseException:
            connection.close()
            raise
        self._types = bound.types
        return connection

    def adopt(self, connection: Connection[Any]) -> None:
        """Execute on this connection from now on."""
        self._connection, self._socket = connection, connection.pgconn.socket
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def fetch_rows(self, parameters: Mapping[str, Any]) -> list[Row]:
        """All rows of an execution.

        Raises NotReady, and Django's database errors; without a code of the server nobody knows
        whether it is committed (``prepared_statements.is_outcome_unknown``).
        """
        connection = self._connection
        bound = bind(self._statement, parameters)
        if connection is None or not self.is_free or bound is None or bound.types != self._types:
            raise NotReady
        with connections[DEFAULT_DB_ALIAS].wrap_database_errors:
            self._answer, self._results = asyncio.get_running_loop().create_future(), []
            try:
                connection.pgconn.send_query_prepared(NAME, bound.values, bound.formats)
                self._flush()
                await self._answer
            except BaseException:
                self.close()  # its answer would be taken for that of the next execution
                raise
            finally:
                self._answer = None
            _raise_failure(connection, self._results)
            return read_rows(connection, self._results[0])

    def close(self) -> None:
        """Close the connection. An execution that is under way fails."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        connection.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(OperationalError("The connection was closed."))

    def _read(self) -> None:
        """The socket has something to read: a part of an answer, or the end of the connection."""
        connection = self._connection
        assert connection is not None
        try:
            connection.pgconn.consume_input()
        except OperationalError:
            self.close()
            return
        while self._answer is not None and not connection.pgconn.is_busy():
            result = connection.pgconn.get_result()
            if result is None:  # the transaction has ended
                if not self._answer.done():
                    self._answer.set_result(None)
                return
            self._results.append(result)

    def _flush(self) -> None:
        """Send what the socket takes; the rest when it takes more."""
        connection = self._connection
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        try:
            is_unsent = connection.pgconn.flush()
        except OperationalError:
            self.close()
            return
        if is_unsent:
            loop.add_writer(self._socket, self._flush)
        else:
            loop.remove_writer(self._socket)


def _raise_failure(connection: Connection[Any], results: list[PGresult]) -> None:
    """Raise the error if one of the results is one. Raises OperationalError if the connection broke
    before the commit was confirmed."""
    for result in results:
        if result.status != ExecStatus.TUPLES_OK:
            raise error_of(connection, result)
    if not results or connection.closed:
        raise OperationalError("The connection broke before the commit was confirmed.")


def _prepare(connection: Connection[Any], bound: BoundStatement) -> None:
    result = connection.pgconn.prepare(NAME, bound.text, bound.types)
    if result.status != ExecStatus.COMMAND_OK:
        raise error_of(connection, result)
