"""Messages say the same in HTML and in text, in each language, whatever people typed."""

import re
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from common.money import Money
from delivery.mail import formats, kinds, mails, messages
from delivery.mail.content import Content
from delivery.mail.messages import Message, Reader
from delivery.mail.people import Recipient
from delivery.mail.samples import SAMPLES
from delivery.models import MailSettings, Notification
from projects.models import Project

HOSTILE = [
    "Ada\r\nBcc: victim@example.com\r\n\r\nbody",
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>",
    "\u202eevil\u202c \u2066x\u2069 \u200f",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "a | b | c",
    "\ud800 \x00 \x1b[31m \u2028 line",
    "x" * 5000,
]
LOCALES = ["en", "de", "de-CH", "fr", ""]


def write(
    kind: str, *, locale: str = "en", content: Content | None = None, text: str = "Acme"
) -> Message:
    return messages.write(
        kind=kinds.BY_NAME[kind],
        content=content or SAMPLES[kind],
        settings=MailSettings(brand_name=text),
        project_name=text,
        reader=Reader(name=text, locale=locale),
        unsubscribe_url="https://t.example/u",
    )


def with_text(content: Content, text: str) -> Content:
    """The same facts with this text for every text."""

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [{name: change(each) for name, each in line.items()} for line in value]
        return text if isinstance(value, str) else value

    return replace(content, facts={name: change(value) for name, value in content.facts.items()})


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", kinds.NAMES)
def test_both_forms_say_the_same(kind: str, locale: str) -> None:
    message = write(kind, locale=locale)
    visible = re.sub(
        r"\s+", " ", re.sub(r"<style.*?</style>|<!--.*?-->|<[^>]+>", " ", message.html)
    )
    for line in message.text.splitlines():
        for part in re.split(r": |https?://\S+", line.removeprefix("-- ")):
            assert " ".join(part.split()).rstrip(":") in visible.replace("&quot;", '"'), part
    assert message.language == ("de" if locale.startswith("de") else "en")
    assert "None" not in message.text
    assert "{" not in message.text
    assert message.subject


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", kinds.NAMES)
def test_hostile_text_stays_text(kind: str, text: str) -> None:
    message = write(kind, content=with_text(SAMPLES[kind], text), text=text)
    assert "\n" not in message.subject
    assert "\r" not in message.subject
    assert len(message.subject) < 300
    assert not re.search(r"<script>|<img src=x|onerror=alert\(2\)>", message.html)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\ud800]", message.html + message.text)
    assert not [line for line in message.text.splitlines() if line.startswith("Bcc")]
    message.html.encode()
    message.text.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_header_is_added(text: str) -> None:
    project = Project(pk="prj_1", name=text, livemode=True)
    row = Notification(pk="ntf_1", project_id="prj_1", recipient="cus_1", kind="credits_low")
    mail: EmailMultiAlternatives = mails.build(
        row,
        kind=kinds.BY_NAME["credits_low"],
        content=SAMPLES["credits_low"],
        person=Recipient(id="cus_1", address="ada@example.com", reader=Reader(name=text)),
        mail_settings=MailSettings(sender_name=text, brand_name=text),
        project=project,
    )
    headers = mail.message()
    assert headers.get_all("Bcc") is None
    assert headers.get_all("To") == ["ada@example.com"]
    assert str(headers["From"]).endswith(f"<{settings.MAIL.mail_from}>")
    assert len(headers.get_all("From")) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("money", "locale", "expected"),
    [
        (Money(2900, "eur"), "en", "€29.00"),
        (Money(123456, "eur"), "de", "1.234,56\u00a0€"),
        (Money(500, "jpy"), "en", "¥500"),
        (Money(1234500, "kwd"), "en", "KWD\u00a01,234.500"),
        (Money(150000, "isk"), "en", "ISK\u00a01,500.00"),
        (Money(-900, "usd"), "en", "-$9.00"),
    ],
)
def test_amounts_have_stripes_digits(money: Money, locale: str, expected: str) -> None:
    assert formats.format_money(money, formats.locale_of(locale)) == expected


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada\n Lovelace ", "Ada Lovelace"),
        ("Win money at https://evil.example", ""),
        ("www.evil.example", ""),
        ("mail me@evil.example", ""),
    ],
)
def test_a_name_that_advertises_greets_nobody(name: str, greeting: str) -> None:
    assert formats.greeting_name(name) == greeting


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "//x", ""])
def test_only_web_addresses_become_links(link: str) -> None:
    message = write("receipt", content=replace(SAMPLES["receipt"], link=link))
    assert "View the invoice" not in message.text + message.html
    assert not link or link not in message.html


def test_each_kind_has_a_sample_and_each_language_a_template() -> None:
    assert set(SAMPLES) == set(kinds.NAMES)
    for language in formats.LANGUAGES:
        files = {path.stem for path in (messages.TEMPLATES / language).glob("*.txt")}
        assert files == {*kinds.NAMES, "base"}
