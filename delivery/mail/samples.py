"""Example facts of each kind, for previews of messages that have not happened yet."""

from datetime import UTC, datetime

from common.money import Money
from delivery.mail.content import Content, Facts

_DAY = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
_PRICE = Money(2900, "eur")
_PURCHASE: Facts = {
    "amount": _PRICE,
    "description": "Workshop ticket",
    "reference": "order-1001",
}
_LINK = "https://example.com/pay"

SAMPLES: dict[str, Content] = {
    "receipt": Content(
        {
            "number": "ACME-0042",
            "amount": _PRICE,
            "date": _DAY,
            "lines": [{"label": "1 × Pro", "amount": _PRICE}],
        },
        link=_LINK,
    ),
    "payment_receipt": Content({**_PURCHASE, "date": _DAY}),
    "payment_failed": Content(
        {"number": "ACME-0042", "amount": _PRICE, "next_attempt": _DAY}, link=_LINK
    ),
    "checkout_payment_failed": Content(_PURCHASE, link=_LINK),
    "payment_expired": Content(_PURCHASE),
    "refund": Content({**_PURCHASE, "refunded": Money(900, "eur"), "total_refunded": _PRICE}),
    "trial_ending": Content({"product": "Pro", "amount": _PRICE, "ends_at": _DAY}),
    "renewal_coming": Content({"product": "Pro", "amount": _PRICE, "renews_at": _DAY}),
    "subscription_canceled": Content({"product": "Pro", "ended_at": _DAY}),
    "credits_low": Content({"balance": 120}),
    "limit_reached": Content({"feature": "API calls", "limit": 10000, "resets_at": _DAY}),
    "endpoint_disabled": Content({"url": "https://api.example.com/hooks", "reason": "gone"}),
    "key_expiring": Content({"label": "Server", "last_four": "a1b2", "expires_at": _DAY}),
}
