"""Amounts, numbers, dates and names as a reader of a language expects them."""

import copy
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from common.currencies import exponent
from common.money import Money
from delivery.mail.content import Value

LANGUAGES = ("en", "de")
"""Languages that we have templates in; the first one is for everybody else."""
MAX_TEXT = 200
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CODE_BESIDE_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")
"""CLDR's currencySpacing, which Babel leaves out: ``KWD 1.000`` instead of ``KWD1.000``."""
_LINK = re.compile(r"://|www\.|@", re.IGNORECASE)


def language_of(tag: str) -> str:
    """The language of the templates for a reader with this BCP 47 tag, or with an empty one."""
    language = tag.partition("-")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


@cache
def locale_of(tag: str) -> Locale:
    """How numbers and dates are written: as in the reader's country, if the texts are in its
    language; else as in the language of the texts."""
    language = language_of(tag)
    if tag.partition("-")[0].lower() == language:
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            pass
    return Locale.parse(language)


def format_value(value: Value, locale: Locale) -> str:
    """The value as text of this locale."""
    if isinstance(value, Money):
        return format_money(value, locale)
    if isinstance(value, datetime):
        return format_date(value.astimezone(UTC), format="long", locale=locale)
    if isinstance(value, int):
        return format_decimal(value, locale=locale)
    return clean(value)


def format_money(money: Money, locale: Locale) -> str:
    """The amount with the digits that Stripe's minor unit has; Babel knows others for some
    currencies."""
    digits = exponent(money.currency) or 0
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    number = Decimal(money.amount).scaleb(-digits)
    text: str = pattern.apply(
        number, locale, currency=money.currency.upper(), currency_digits=False
    )
    return _CODE_BESIDE_DIGIT.sub("\u00a0", text)


def clean(text: str) -> str:
    """One line of what a person wrote: without control characters and without those that turn the
    direction of the text around them."""
    visible = _BIDI_CONTROLS.sub("", unicodedata.normalize("NFC", text))
    characters = [
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") else character
        for character in visible
    ]
    line = " ".join("".join(characters).split())
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"


def greeting_name(name: str) -> str:
    """The name of the person who reads; empty for a name that is an advertisement, because anybody
    may enter any name and any address."""
    cleaned = clean(name)
    return "" if _LINK.search(cleaned) else cleaned[:80]
