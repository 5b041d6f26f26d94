"""A Redis that answers each request a moment late."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit


@contextmanager
def delayed_redis(url: str, *, seconds: float) -> Iterator[str]:
    """The address of the server at ``url``, through a relay that holds each request back."""
    address = urlsplit(url)
    assert address.hostname

    class Relay(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((address.hostname, address.port or 6379)) as server:
                replies = threading.Thread(target=_pass_on, args=(server, self.request, 0.0))
                replies.start()
                _pass_on(self.request, server, seconds)
                server.shutdown(socket.SHUT_RDWR)
                replies.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        serving = threading.Thread(target=relay.serve_forever)
        serving.start()
        netloc = address.netloc.rpartition("@")[0] + f"@127.0.0.1:{relay.server_address[1]}"
        try:
            yield address._replace(netloc=netloc).geturl()
        finally:
            relay.shutdown()
            serving.join()


def _pass_on(source: socket.socket, target: socket.socket, seconds: float) -> None:
    """Pass bytes on until the source has ended or the target is closed."""
    try:
        while received := source.recv(65536):
            time.sleep(seconds)
            target.sendall(received)
    except OSError:
        return
