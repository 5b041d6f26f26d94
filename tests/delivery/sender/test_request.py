"""A request has the headers of its job and no other, or it is not written."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.sender.messages import SendFailed, SendFault
from delivery.sender.request import OWN_HEADERS, write_request
from delivery.sender.targets import RequestLine, SendTarget

LINE = RequestLine(SendTarget(True, "a.example", 443), "a.example", "/hook?a=b")
TEXT = st.text(st.characters(max_codepoint=0x200)) | st.text("aA-:\r\n\t \x00\x7f\xe9")


def read_as_a_server(stream: bytes) -> tuple[h11.Request, bytes]:
    """The one request of the stream, after which nothing follows."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(stream)
    request, body = server.next_event(), b""
    assert isinstance(request, h11.Request)
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    return request, body


@given(headers=st.dictionaries(TEXT, TEXT), body=st.binary())
@example(headers={"X-Own": "", "webhook-id": "a b\tc"}, body=b"\r\n\r\n")
@example(headers={"x": "y\r\nContent-Length: 0"}, body=b"x")
@example(headers={"x: y\r\nhost": "z"}, body=b"x")
def test_no_header_adds_to_the_request(headers: dict[str, str], body: bytes) -> None:
    try:
        stream = write_request(LINE, headers=headers, body=body)
    except SendFailed as failure:
        assert failure.fault == SendFault.BAD_JOB  # noqa: PT017  # the other half of the property
        return
    request, arrived = read_as_a_server(stream)
    assert (request.method, request.target, arrived) == (b"POST", b"/hook?a=b", body)
    ours = [
        (b"host", b"a.example"),
        (b"user-agent", b"Tollgate/1"),
        (b"accept-encoding", b"identity"),
        (b"connection", b"keep-alive"),
    ]
    from_job = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert list(request.headers) == [*ours, *from_job, (b"content-length", b"%d" % len(body))]


@pytest.mark.parametrize("name", sorted(OWN_HEADERS))
def test_headers_of_the_connection_are_ours(name: str) -> None:
    for spelling in (name, name.upper(), name.title()):
        with pytest.raises(SendFailed, match="does not send a header"):
            write_request(LINE, headers={spelling: "x"}, body=b"")


@pytest.mark.parametrize(
    "line",
    [
        LINE._replace(path="/a b"),
        LINE._replace(path="/a\r\nHost: b"),
        LINE._replace(path="http://b.example/"),
        LINE._replace(authority="a.example\r\nX: y"),
        LINE._replace(authority=""),
    ],
)
def test_a_url_adds_no_header(line: RequestLine) -> None:
    with pytest.raises(SendFailed, match="URL"):
        write_request(line, headers={}, body=b"")
