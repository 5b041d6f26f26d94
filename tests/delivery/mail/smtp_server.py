"""An SMTP server that does at each stage what a test wants: answer, hang up, or say nothing."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, cast

Script = Callable[[str], str | None]
"""The answer at a stage (``mail``, ``rcpt``, ``data``, ``end``); None: hang up; STALL: silence."""
STALL = "stall"
USUAL = {"mail": "250 ok", "rcpt": "250 ok", "data": "354 go on", "end": "250 queued"}


class SmtpServer:
    """``messages`` are those whose last byte has arrived, in order, whatever the answer was."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        self.script: Script = USUAL.__getitem__
        self.messages: list[str] = []
        self.stages: list[str] = []
        self.stalled = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rwb") as stream:
            self._converse(cast(BinaryIO, stream))

    def _converse(self, stream: BinaryIO) -> None:
        """Speak to one client until it leaves or the script hangs up."""
        _say(stream, "220 test")
        goes_on = True
        while goes_on and (line := stream.readline().decode().strip()):
            verb = line.split()[0].lower()
            if verb in ("mail", "rcpt"):
                goes_on = self._answer(verb, stream)
            elif verb == "data":
                goes_on = self._take_message(stream)
            else:
                _say(stream, "221 bye" if verb == "quit" else "250 ok")

    def _take_message(self, stream: BinaryIO) -> bool:
        goes_on = self._answer("data", stream)
        if goes_on and self.script("data") == USUAL["data"]:
            self.messages.append(_read_content(stream))
            return self._answer("end", stream)
        return goes_on

    def _answer(self, stage: str, stream: BinaryIO) -> bool:
        self.stages.append(stage)
        answer = self.script(stage)
        if answer == STALL:
            self.stalled.set()
            self._closed.wait(60)
            return False
        if answer is not None:
            _say(stream, answer)
        return answer is not None


def _say(stream: BinaryIO, line: str) -> None:
    stream.write(f"{line}\r\n".encode())
    stream.flush()


def _read_content(stream: BinaryIO) -> str:
    lines: list[str] = []
    while (line := stream.readline().decode()).rstrip("\r\n") != ".":
        if not line:
            raise ConnectionError
        lines.append(line)
    return "".join(lines)


def replies(**changes: str | None) -> Script:
    """The usual script with other answers at these stages."""
    answers = {**USUAL, **changes}
    return answers.__getitem__
