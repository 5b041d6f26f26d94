"""Client address and scheme come from trusted proxies only."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client, override_settings
from hypothesis import given
from hypothesis import strategies as st

from common import proxies
from common.conf import FORWARDED, X_FORWARDED_FOR, ProxySettings

PROXY, CLIENT = "10.0.0.7", "203.0.113.9"
TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:aa::/48"))


def seen(peer: str, header: str = X_FORWARDED_FOR, **headers: str) -> dict[str, Any]:
    """The environ of a request from this peer, resolved."""
    environ = {"REMOTE_ADDR": peer, **{f"HTTP_{name}": value for name, value in headers.items()}}
    with override_settings(PROXIES=ProxySettings(trusted=TRUSTED, header=header)):
        proxies.resolve(environ)
        proxies.resolve(environ)
    return environ


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"1.2.3.4, {CLIENT}", CLIENT),
        (PROXY, f"1.2.3.4,{CLIENT} , 10.1.1.1", CLIENT),
        (PROXY, f"{CLIENT}:4711", CLIENT),
        (PROXY, "[2001:db8::5]:4711", "2001:db8::5"),
        (PROXY, "2001:db8::5", "2001:db8::5"),
        (PROXY, f"::ffff:{CLIENT}", CLIENT),
        (f"::ffff:{PROXY}", CLIENT, CLIENT),
        ("2001:db8:aa::1", CLIENT, CLIENT),
        (PROXY, "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (PROXY, f"{CLIENT}, <script>, 10.1.1.1", "10.1.1.1"),
        (PROXY, ",".join([CLIENT] + ["10.1.1.1"] * 30), "10.1.1.1"),
        (CLIENT, "198.51.100.1", CLIENT),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    assert seen(peer, X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    ("forwarded", "client", "scheme"),
    [
        (f"for={CLIENT};proto=https", CLIENT, "https"),
        (f'For="{CLIENT}:80"; Proto=HTTPS;by=10.0.0.1', CLIENT, "https"),
        ('for="[2001:db8::5]:4711"', "2001:db8::5", ""),
        (f"for=1.2.3.4;proto=http, for={CLIENT};proto=https, for=10.1.1.1", CLIENT, "https"),
        ("for=_hidden;proto=https", PROXY, ""),
        ("for", PROXY, ""),
    ],
)
def test_the_forwarded_header_is_understood(forwarded: str, client: str, scheme: str) -> None:
    environ = seen(PROXY, FORWARDED, FORWARDED=forwarded, X_FORWARDED_FOR="9.9.9.9")
    assert (environ["REMOTE_ADDR"], environ["HTTP_X_FORWARDED_PROTO"]) == (client, scheme)


def test_a_header_that_the_proxy_does_not_write_is_ignored() -> None:
    assert seen(PROXY, X_FORWARDED_FOR=CLIENT, FORWARDED="for=9.9.9.9")["REMOTE_ADDR"] == CLIENT


def test_forwarding_headers_of_other_clients_are_ignored() -> None:
    claims = {
        "X_FORWARDED_FOR": "9.9.9.9",
        "X_FORWARDED_PROTO": "https",
        "FORWARDED": "for=9.9.9.9",
    }
    assert seen(CLIENT, **claims) == {"REMOTE_ADDR": CLIENT, proxies.PEER: CLIENT}
    assert seen(PROXY, **claims)["HTTP_X_FORWARDED_PROTO"] == "https"


@given(st.text(), st.sampled_from([FORWARDED, X_FORWARDED_FOR]))
def test_odd_headers_do_not_crash(text: str, header: str) -> None:
    environ = seen(PROXY, header, X_FORWARDED_FOR=text, FORWARDED=text)
    assert proxies.site_of(environ["REMOTE_ADDR"])


@pytest.mark.parametrize(
    ("address", "site"),
    [
        (CLIENT, CLIENT),
        (f"::ffff:{CLIENT}", CLIENT),
        ("2001:db8::5", "2001:db8::"),
        ("2001:db8:0:0:ffff::1", "2001:db8::"),
        ("", ""),
    ],
)
def test_addresses_of_one_ipv6_network_count_together(address: str, site: str) -> None:
    assert proxies.site_of(address) == site


@pytest.mark.django_db
@pytest.mark.parametrize(("peer", "is_secure"), [(PROXY, True), (CLIENT, False)])
def test_only_a_proxy_makes_a_request_secure(peer: str, is_secure: bool) -> None:
    body = {"X-Forwarded-Proto": "https"}
    with override_settings(
        PROXIES=ProxySettings(trusted=TRUSTED),
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        SECURE_HSTS_SECONDS=60,
    ):
        answer = Client().get("/live", headers=body, REMOTE_ADDR=peer)
    assert ("Strict-Transport-Security" in answer.headers) is is_secure
