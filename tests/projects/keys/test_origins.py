"""Return origins are normalised as browsers write them, and others are refused."""

import pytest

from projects.keys import origins
from projects.keys.origins import OriginRefused


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://App.Example.COM/", "https://app.example.com"),
        (" https://app.example.com:443 ", "https://app.example.com"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_stored_as_browsers_write_it(written: str, normal: str) -> None:
    assert origins.normalise(written, livemode=False) == normal


@pytest.mark.parametrize(
    "written",
    [
        "",
        "app.example.com",
        "https://",
        "https://app.example.com/checkout",
        "https://app.example.com?next=/",
        "https://app.example.com#done",
        "https://user:password@app.example.com",
        "https://app.example.com:port",
        "https://[app",
        "http://app.example.com",
        "ftp://localhost",
        "javascript:alert(1)",
    ],
)
def test_invalid_origins_are_refused(written: str) -> None:
    with pytest.raises(OriginRefused):
        origins.normalise(written, livemode=False)


def test_live_money_never_returns_over_http() -> None:
    with pytest.raises(OriginRefused, match="Use https"):
        origins.normalise("http://localhost:3000", livemode=True)
