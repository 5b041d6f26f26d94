"""A WSGI callable that answers a check with the same bytes each time, without Django.

``granian --interface wsgi benchmarks.peers.plain:application`` serves it. No program in Python on
this server can answer faster.
"""

from benchmarks.peers.answer import ANSWER

HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [ANSWER]
