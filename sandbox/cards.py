"""Stripe's test cards and their effects.

Source: https://docs.stripe.com/testing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Authentication(StrEnum):
    """When the bank requires 3-D Secure."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_SET_UP = "unless_set_up"
    ON_SESSION_ONLY = "on_session_only"
    """Set up already: off-session payments pass, on-session payments need 3-D Secure."""
    WHEN_REQUESTED = "when_requested"
    """Enrolled: 3-D Secure only when ``request_three_d_secure`` requests it."""


class RefundOutcome(StrEnum):
    SUCCEEDS = "succeeds"
    SUCCEEDS_LATER = "succeeds_later"
    FAILS_LATER = "fails_later"


class DisputeTrigger(StrEnum):
    """The kind of dispute that the card holder opens after the payment."""

    FRAUDULENT = "fraudulent"
    NOT_RECEIVED = "not_received"
    INQUIRY = "inquiry"


@dataclass(frozen=True)
class Decline:
    code: str
    decline_code: str | None
    message: str
    advice_code: str | None = "try_again_later"


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
INSUFFICIENT_FUNDS = Decline(
    "card_declined", "insufficient_funds", "Your card has insufficient funds."
)
DECLINES = {
    "generic_decline": GENERIC,
    "insufficient_funds": INSUFFICIENT_FUNDS,
    "lost_card": Decline(
        "card_declined", "lost_card", "Your card was declined.", "do_not_try_again"
    ),
    "stolen_card": Decline(
        "card_declined", "stolen_card", "Your card was declined.", "do_not_try_again"
    ),
    "card_velocity_exceeded": Decline(
        "card_declined",
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its "
        "amount limit.",
    ),
    "expired_card": Decline("expired_card", None, "Your card has expired.", "confirm_card_data"),
    "incorrect_cvc": Decline(
        "incorrect_cvc", None, "Your card's security code is incorrect.", "confirm_card_data"
    ),
    "processing_error": Decline(
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    "authentication_required": Decline(
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        None,
    ),
}


@dataclass(frozen=True)
class Card:
    number: str
    tokens: tuple[str, ...] = ()
    brand: str = "visa"
    funding: str = "credit"
    decline: Decline | None = None
    """The decline of a charge; after 3-D Secure if the card requires that."""
    attachable: bool = True
    authentication: Authentication = Authentication.NEVER
    refund: RefundOutcome = RefundOutcome.SUCCEEDS
    has_fraud_warning: bool = False
    """Whether each successful payment gets an early fraud warning."""
    dispute_trigger: DisputeTrigger | None = None
    """The dispute that is opened a minute after a successful payment."""

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


def _declined_card(number: str, token: str, reason: str) -> Card:
    return Card(number, (token,), decline=DECLINES[reason], attachable=False)


CARDS = (
    Card("4242424242424242", ("pm_card_visa",)),
    Card("4000056655665556", ("pm_card_visa_debit",), funding="debit"),
    Card("5555555555554444", ("pm_card_mastercard",), brand="mastercard"),
    Card("378282246310005", ("pm_card_amex",), brand="amex"),
    Card("6011111111111117", ("pm_card_discover",), brand="discover"),
    _declined_card("4000000000000002", "pm_card_visa_chargeDeclined", "generic_decline"),
    _declined_card(
        "4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"
    ),
    _declined_card("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", "lost_card"),
    _declined_card("4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", "stolen_card"),
    _declined_card("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "expired_card"),
    _declined_card("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
    _declined_card("4000000000000119", "pm_card_chargeDeclinedProcessingError", "processing_error"),
    _declined_card(
        "4000000000006975",
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "card_velocity_exceeded",
    ),
    Card("4000000000000341", ("pm_card_chargeCustomerFail",), decline=GENERIC),
    Card(
        "4000002500003155",
        ("pm_card_authenticationRequiredOnSetup",),
        authentication=Authentication.UNLESS_SET_UP,
    ),
    Card(
        "4000000000003055",
        ("pm_card_threeDSecureOptional",),
        authentication=Authentication.WHEN_REQUESTED,
    ),
    Card(
        "4000002760003184",
        ("pm_card_authenticationRequired",),
        authentication=Authentication.ALWAYS,
    ),
    Card(
        "4000003800000446",
        ("pm_card_authenticationRequiredSetupForOffSession",),
        authentication=Authentication.ON_SESSION_ONLY,
    ),
    Card(
        "4000008260003178",
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",),
        decline=INSUFFICIENT_FUNDS,
        authentication=Authentication.ALWAYS,
    ),
    Card(
        "4000000000003220",
        ("pm_card_threeDSecure2Required",),
        authentication=Authentication.ALWAYS,
    ),
    Card(
        "4000008400001629",
        ("pm_card_threeDSecureRequiredChargeDeclined",),
        decline=GENERIC,
        authentication=Authentication.ALWAYS,
    ),
    Card("4000000000007726", ("pm_card_pendingRefund",), refund=RefundOutcome.SUCCEEDS_LATER),
    Card("4000000000005126", ("pm_card_refundFail",), refund=RefundOutcome.FAILS_LATER),
    Card("4000000000005423", ("pm_card_createIssuerFraudRecord",), has_fraud_warning=True),
    Card("4000000000000259", ("pm_card_createDispute",), dispute_trigger=DisputeTrigger.FRAUDULENT),
    Card(
        "4000000000002685",
        ("pm_card_createDisputeProductNotReceived",),
        dispute_trigger=DisputeTrigger.NOT_RECEIVED,
    ),
    Card(
        "4000000000001976",
        ("pm_card_createDisputeInquiry",),
        dispute_trigger=DisputeTrigger.INQUIRY,
    ),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_FINGERPRINT = {card.fingerprint: card for card in CARDS}
BY_TOKEN = {token: card for card in CARDS for token in card.tokens}


def find_card_by_token(token: str) -> Card | None:
    """Find a card by its token: ``pm_card_visa`` or the older ``tok_visa``."""
    return BY_TOKEN.get(token.replace("tok_", "pm_card_", 1))


def is_well_formed(number: str) -> bool:
    """Whether the number has 12 to 19 digits and a correct check digit (Luhn)."""
    if not number.isdecimal() or not 12 <= len(number) <= 19:
        return False
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[0::2]) + sum(doubled)) % 10 == 0
