"""Failed sign-ins lock names and addresses of guessers."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
import time_machine
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client, override_settings

from common.conf import ProxySettings
from console.lockouts import FAILURES
from console.operators import ensure

PASSWORD = "a-long-enough-passphrase"
PROXY = "10.0.0.7"
BY_NAME, BY_ADDRESS = FAILURES.values()


@pytest.fixture(autouse=True)
def _guarded(db: None) -> Iterator[None]:
    ensure(username="ada", password=PASSWORD)
    proxies = ProxySettings(trusted=(ip_network("10.0.0.0/8"),))
    with override_settings(AXES_ENABLED=True, PROXIES=proxies):
        yield


def sign_in(username: str, password: str, client: str, *, peer: str = PROXY) -> int:
    """302 for yes, 200 for a wrong password, 429 for one that was not looked at."""
    return (
        Client()
        .post(
            "/admin/login/",
            {"username": username, "password": password, "next": "/admin/"},
            headers={"X-Forwarded-For": client},
            REMOTE_ADDR=peer,
        )
        .status_code
    )


def fail(count: int, username: str, client: str) -> list[int]:
    return [sign_in(username, "wrong", client) for _ in range(count)]


def test_failed_sign_ins_lock_the_name_for_that_address_only() -> None:
    assert fail(BY_NAME, "ada", "198.51.100.1")[-1] == 429
    assert sign_in("ada", PASSWORD, "198.51.100.1") == 429
    assert sign_in("ada", PASSWORD, "198.51.100.2") == 302


def test_many_names_from_one_address_are_stopped() -> None:
    tries = [sign_in(f"name-{each}", "wrong", "198.51.100.1") for each in range(BY_ADDRESS)]
    assert tries == [200] * (BY_ADDRESS - 1) + [429]
    assert sign_in("ada", PASSWORD, "198.51.100.1") == 429
    assert sign_in("ada", PASSWORD, "198.51.100.2") == 302


def test_a_successful_sign_in_does_not_reset_the_count() -> None:
    for each in range(BY_ADDRESS - 1):
        sign_in(f"name-{each}", "wrong", "198.51.100.1")
    assert sign_in("ada", PASSWORD, "198.51.100.1") == 302
    assert sign_in("one-more", "wrong", "198.51.100.1") == 429


def test_addresses_of_one_ipv6_network_are_one() -> None:
    for each in range(BY_ADDRESS):
        sign_in(f"name-{each}", "wrong", f"2001:db8::{each + 1:x}")
    assert sign_in("ada", PASSWORD, "2001:db8::ffff") == 429
    assert sign_in("ada", PASSWORD, "2001:db8:0:1::1") == 302


def test_a_forwarding_header_of_the_client_does_not_change_its_address() -> None:
    for each in range(BY_ADDRESS):
        sign_in(f"name-{each}", "wrong", f"198.51.100.{each}", peer="203.0.113.5")
    assert sign_in("ada", PASSWORD, "198.51.100.99", peer="203.0.113.5") == 429
    assert sign_in("ada", PASSWORD, "203.0.113.6") == 302


def test_a_lock_ends_after_fifteen_minutes() -> None:
    with time_machine.travel("2026-11-22T09:00:00Z", tick=False) as clock:
        fail(BY_NAME, "ada", "198.51.100.1")
        clock.shift(timedelta(minutes=15, seconds=1))
        assert sign_in("ada", PASSWORD, "198.51.100.1") == 302


@pytest.mark.parametrize("password", ["fourteen-signs", "123456789012345678", "ada-lovelace-1815"])
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        ensure(username="ada-lovelace-1815", password=password)
    validate_password("a-long-enough-pass")
