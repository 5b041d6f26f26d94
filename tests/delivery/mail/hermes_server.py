"""A stand-in of Hermes: it takes each key once, as docs/hermes.md says."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CUT = 0
"""A status that means: accept the message, then hang up without an answer."""


class HermesServer:
    """``messages`` are the accepted ones by key. ``answers`` come first: a status each, with
    headers; then the contract holds."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self._digests: dict[str, str] = {}
        hermes = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hermes.handle(self)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/messages"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.requests.append(dict(request.headers.items()))
        key = request.headers["Idempotency-Key"]
        status, headers = self.answers.pop(0) if self.answers else (202, {})
        if status in (202, CUT):
            status = self._accept(key, body) or status
        if status == CUT:
            request.connection.close()
            return
        answer = json.dumps({"id": f"hms_{key}"}).encode() if status in (200, 202) else b"{}"
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def _accept(self, key: str, body: bytes) -> int:
        """The status of a key that came before; 0 for a new one."""
        digest = hashlib.sha256(body).hexdigest()
        if key in self.messages:
            return 200 if self._digests[key] == digest else 409
        self.messages[key], self._digests[key] = json.loads(body), digest
        return 0
