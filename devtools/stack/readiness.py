"""Checks whether a started program is ready to work."""

import http.client
import socket
from http import HTTPStatus

from celery import Celery
from kombu.exceptions import OperationalError


def serves(port: int, path: str) -> bool:
    """Whether the web server on 127.0.0.1 answers the path with 200."""
    return _status(port, path) == HTTPStatus.OK


def responds(port: int) -> bool:
    """Whether a web server on 127.0.0.1 answers at all."""
    return _status(port, "/") is not None


def accepts(port: int) -> bool:
    """Whether a server on 127.0.0.1 accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def takes_tasks(broker: str) -> bool:
    """Whether a Celery worker answers a ping through the broker."""
    with Celery(broker=broker, set_as_current=False) as app:
        try:
            return bool(app.control.inspect(timeout=1, limit=1).ping())
        except OperationalError:
            return False


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
