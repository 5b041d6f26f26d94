"""The response of a receiver, read by h11 within limits."""

import h11

from delivery.sender.messages import KEPT_BODY_BYTES, SendFault

MAX_RESPONSE_BYTES = 64 * 1024
"""Of head and body as they are sent, chunk sizes included."""
MAX_HEAD_BYTES = 16 * 1024
MAX_PIECES = 256
"""Of reads, and of chunks and informational responses: each costs time, however small it is."""
MAX_LINES = 640
"""Each costs time in a head or trailer; those of the body and of chunk sizes count too."""
FED_BYTES = 16 * 1024
"""Given to h11 at once: it checks the size of a head only after parsing what it has."""
KEPT_HEADERS = frozenset(
    {
        *(b"content-type", b"content-length", b"content-encoding", b"date", b"location"),
        *(b"request-id", b"retry-after", b"server", b"via", b"webhook-abort-message"),
        *(b"webhook-delivery", b"www-authenticate", b"x-request-id"),
    }
)
MAX_HEADER_CHARACTERS = 200
CLOSED_EARLY = "The receiver closed the connection before the end of its response."
_MAX_REASON_CHARACTERS = 160


class ReceiverResponse:
    """What has arrived of a response. Give it bytes until ``has_ended``; nothing is decompressed.

    ``status`` is set once the head of the final response is complete, and stays. ``fault`` and
    ``sentence`` say why the response ended early.
    """

    __slots__ = (
        *("status", "headers", "body", "fault", "sentence", "has_ended", "has_surplus"),
        *("first_byte_at", "_http", "_bytes", "_reads", "_pieces", "_lines"),
    )

    def __init__(self, http: h11.Connection) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = b""
        self.fault: SendFault | None = None
        self.sentence = ""
        self.has_ended = False
        self.has_surplus = False
        """Whether bytes followed its end that h11 has not seen."""
        self.first_byte_at: float | None = None
        self._http = http
        self._bytes = 0
        self._reads = 0
        self._pieces = 0
        self._lines = 0

    @property
    def is_complete(self) -> bool:
        """Whether it arrived to its end."""
        return self.has_ended and self.fault is None

    def feed(self, data: bytes) -> bool:
        """Read the next bytes; none of them means that the receiver has closed its side. Return
        whether the response has ended."""
        allowed = MAX_RESPONSE_BYTES - self._bytes
        self._bytes += len(data)
        self._reads += 1
        if self._reads > MAX_PIECES:
            self._end_too_large(f"{MAX_PIECES} pieces")
        elif len(data) <= FED_BYTES and len(data) <= allowed:
            self._feed_lines(data)
        else:
            self._feed_parts(data, allowed)
        return self.has_ended

    def _feed_parts(self, data: bytes, allowed: int) -> None:
        kept = data[:allowed]
        for start in range(0, len(kept), FED_BYTES):
            self._feed_lines(kept[start : start + FED_BYTES])
            if self.has_ended:
                self.has_surplus = self.has_surplus or start + FED_BYTES < len(data)
                return
        if len(data) > allowed:
            self._end_too_large(f"{MAX_RESPONSE_BYTES} bytes")

    def _feed_lines(self, data: bytes) -> None:
        """Parse the data unless it has too many lines; then its head alone, for the status."""
        lines = self._lines + data.count(b"\n")
        if lines > MAX_LINES and self.status is None:
            head, blank_line, _ = data.partition(b"\r\n\r\n")
            self.has_surplus = True
            if blank_line and self._lines + head.count(b"\n") <= MAX_LINES:
                self._parse(head + blank_line)
        self._lines = lines
        if lines > MAX_LINES:
            self._end_too_large(f"{MAX_LINES} lines")
        else:
            self._parse(data)

    def end(self, fault: SendFault, sentence: str) -> None:
        """End the response early, unless it has ended."""
        if not self.has_ended:
            self.has_ended, self.fault, self.sentence = True, fault, sentence

    def _end_too_large(self, limit: str) -> None:
        self.end(
            SendFault.RESPONSE_TOO_LARGE,
            f"The response has more than {limit}; the rest was not read.",
        )

    def _parse(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while not self.has_ended:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    return
                self._take(event)
        except h11.RemoteProtocolError as error:
            if data:
                self.end(SendFault.BAD_RESPONSE, _explain(str(error)))
            else:
                self.end(SendFault.CONNECTION_LOST, CLOSED_EARLY)

    def _take(self, event: object) -> None:
        if type(event) is h11.Response:
            self.status = event.status_code
            self._keep_headers(event)
        elif type(event) is h11.Data:
            self._count_piece()
            if len(self.body) < KEPT_BODY_BYTES:
                self.body += bytes(event.data[: KEPT_BODY_BYTES - len(self.body)])
        elif type(event) is h11.EndOfMessage:
            self.has_ended = True
        elif type(event) is h11.InformationalResponse:
            self._count_piece()
        else:
            self.end(SendFault.CONNECTION_LOST, CLOSED_EARLY)

    def _count_piece(self) -> None:
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            self._end_too_large(f"{MAX_PIECES} pieces")

    def _keep_headers(self, response: h11.Response) -> None:
        headers = self.headers
        for name, value in response.headers:
            if name in KEPT_HEADERS:
                text = value[:MAX_HEADER_CHARACTERS].decode("latin-1")
                headers.setdefault(name.decode("ascii"), text)


def _explain(reason: str) -> str:
    if "_SWITCH_UPGRADE" in reason:
        return "The receiver switched to another protocol (101), which nobody had proposed."
    return f"The response is not valid HTTP/1.1: {reason[:_MAX_REASON_CHARACTERS]}"
