"""Headers reach the application under unambiguous names."""

from types import SimpleNamespace

from config.server.environ import Environ, environ_of


def environ_for(headers: dict[str, str]) -> Environ:
    return environ_of(
        SimpleNamespace(
            method="GET",
            path="/",
            query_string="",
            server="127.0.0.1:8000",
            client="127.0.0.1:4711",
            http_version="1.1",
            scheme="http",
            headers=headers,
        )
    )


def test_a_name_with_an_underscore_does_not_pass_for_one_with_a_hyphen() -> None:
    """A proxy sets or removes the one with hyphens and passes the other on."""
    environ = environ_for({"x_forwarded_for": "192.0.2.1", "host": "tollgate.example"})
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert environ["HTTP_HOST"] == "tollgate.example"

    both = environ_for({"x-forwarded-for": "198.51.100.7", "x_forwarded_for": "192.0.2.1"})
    assert both["HTTP_X_FORWARDED_FOR"] == "198.51.100.7"
