"""Entered card details, with the checks that Stripe makes before it asks the bank."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sandbox import cards
from sandbox.cards import Card
from sandbox.errors import StripeFailure, invalid, missing_param
from sandbox.objects import Params


def year_of(timestamp: int) -> int:
    return datetime.fromtimestamp(timestamp, UTC).year


def find_card(details: Params, *, year: int) -> Card:
    """Find the test card with the entered number. Raises 402 for a wrong number, date or code."""
    if token := details.get("token"):
        card = cards.find_card_by_token(token)
        if card is None:
            raise invalid(f"No such token: '{token}'", param="card[token]")
        return card
    for name in ("number", "exp_month", "exp_year"):
        if name not in details:
            raise missing_param(f"card[{name}]")
    _check_card_fields(details, year=year)
    card = cards.BY_NUMBER.get(details["number"].replace(" ", ""))
    if card is None:
        raise StripeFailure(
            "Your card was declined. Your request was in test mode, but used a non test (live) "
            "card. For a list of valid test cards, visit: https://stripe.com/docs/testing.",
            status=402,
            error_type="card_error",
            code="card_declined",
            decline_code="test_mode_live_card",
        )
    return card


def _check_card_fields(details: Params, *, year: int) -> None:
    for is_wrong, field, code, message in CARD_FIELD_CHECKS:
        if is_wrong(details, year):
            raise StripeFailure(
                message, status=402, error_type="card_error", code=code, param=f"card[{field}]"
            )


CARD_FIELD_CHECKS: tuple[tuple[Callable[[Params, int], bool], str, str, str], ...] = (
    (
        lambda card, _: not cards.is_well_formed(card["number"].replace(" ", "")),
        "number",
        "incorrect_number",
        "Your card number is incorrect.",
    ),
    (
        lambda card, _: not 1 <= card["exp_month"] <= 12,
        "exp_month",
        "invalid_expiry_month",
        "Your card's expiration month is invalid.",
    ),
    (
        lambda card, year: not year <= card["exp_year"] <= year + 50,
        "exp_year",
        "invalid_expiry_year",
        "Your card's expiration year is invalid.",
    ),
    (
        lambda card, _: (
            "cvc" in card and not (card["cvc"].isdecimal() and len(card["cvc"]) in (3, 4))
        ),
        "cvc",
        "invalid_cvc",
        "Your card's security code is invalid.",
    ),
)
