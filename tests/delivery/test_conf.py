"""Mail is set up by two variables; a wrong one stops the start."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from environ import Env

from delivery.conf import MailServerSettings

SENDER = "billing@example.com"


def parse(monkeypatch: pytest.MonkeyPatch, **variables: str) -> MailServerSettings:
    for name in ("EMAIL_URL", "MAIL_FROM", "ANYMAIL", "HERMES_URL", "HERMES_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return MailServerSettings.from_env(Env())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 25, False, False)),
        ("smtp+tls://mail.example.com", ("mail.example.com", 587, True, False)),
        ("smtps://u:p%40ss@mail.example.com:4650", ("mail.example.com", 4650, False, True)),
    ],
)
def test_smtp(monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[Any, ...]) -> None:
    email = parse(monkeypatch, EMAIL_URL=url, MAIL_FROM=SENDER).email
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_USE_SSL")
    assert tuple(email[name] for name in names) == expected
    assert email["EMAIL_TIMEOUT"] == 15
    assert email["EMAIL_HOST_PASSWORD"] in ("", "p@ss")


def test_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse(
        monkeypatch,
        EMAIL_URL="anymail://postmark",
        MAIL_FROM=SENDER,
        ANYMAIL="POSTMARK_SERVER_TOKEN=t,WEBHOOK_SECRET=a:b",
    )
    assert config.mail_provider == "postmark"
    assert config.email == {
        "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
        "ANYMAIL": {"POSTMARK_SERVER_TOKEN": "t", "WEBHOOK_SECRET": "a:b"},
    }
    assert "POSTMARK" not in repr(config)


def test_without_variables_no_mail_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse(monkeypatch)
    assert (config.mail_from, config.hermes_url) == ("", "")
    assert config.email["EMAIL_BACKEND"].endswith("dummy.EmailBackend")


@pytest.mark.parametrize(
    "variables",
    [
        {"EMAIL_URL": "smtp://mail.example.com"},
        {"MAIL_FROM": SENDER},
        {"EMAIL_URL": "ftp://mail.example.com", "MAIL_FROM": SENDER},
        {"EMAIL_URL": "mail.example.com", "MAIL_FROM": SENDER},
        {"EMAIL_URL": "anymail://", "MAIL_FROM": SENDER},
        {"EMAIL_URL": "smtp://mail.example.com", "MAIL_FROM": "Billing"},
        {"HERMES_URL": "https://hermes.example.com"},
    ],
)
def test_a_wrong_value_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    with pytest.raises(ImproperlyConfigured):
        parse(monkeypatch, **variables)
