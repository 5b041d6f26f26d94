"""A small HTTP/1.1 client for load: connections are kept, and answers have a length."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

TIMEOUT = 30.0
CONNECTIONS = 48
"""Open connections of one client. Requests beyond wait, and their latency says so."""


class NoAnswer(Exception):
    """The server did not answer in time, or closed the connection."""


@dataclass(frozen=True, slots=True)
class LoadAnswer:
    """A status and a body."""

    status: int
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class LoadClient:
    """Requests to one server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def send(
        self, method: str, path: str, *, key: str = "", data: Any = None, headers: str = ""
    ) -> LoadAnswer:
        """Send one request; ``data`` are bytes or an object for JSON, ``headers`` end with CRLF.

        A kept connection that the server has closed meanwhile is replaced once: everything that is
        sent here may be repeated. Raises NoAnswer.
        """
        request = self._request(method, path, key, data, headers)
        async with self._slots:
            try:
                async with asyncio.timeout(TIMEOUT):
                    return await self._exchange(request)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                raise NoAnswer(f"{method} {path.partition('?')[0]}: {error!r}") from error

    async def close(self) -> None:
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _request(self, method: str, path: str, key: str, data: Any, headers: str) -> bytes:
        body = data if isinstance(data, bytes) else b"" if data is None else orjson.dumps(data)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{headers}"
        if key:
            head += f"Authorization: Bearer {key}\r\n"
        if data is not None:
            head += "Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def _exchange(self, request: bytes) -> LoadAnswer:
        while self._idle:
            reader, writer = self._idle.pop()
            try:
                return await self._ask(reader, writer, request)
            except (ConnectionError, asyncio.IncompleteReadError):
                writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        return await self._ask(reader, writer, request)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> LoadAnswer:
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            answer = LoadAnswer(int(head[9:12]), await reader.readexactly(_length(head)))
        except BaseException:
            writer.close()
            raise
        if b"\r\nconnection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return answer


def _length(head: bytes) -> int:
    """Raises ValueError for an answer without a length."""
    _, separator, rest = head.partition(b"\r\ncontent-length:")
    if not separator:
        raise ValueError("The answer has no Content-Length.")
    return int(rest.split(b"\r\n", 1)[0])
