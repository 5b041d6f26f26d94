"""Stripe's test bank accounts. A debit stays ``processing`` until the bank answers days later.

Source: https://docs.stripe.com/testing. The tokens of SEPA accounts are the sandbox's own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sandbox.cards import Authentication, Decline, DisputeTrigger, RefundOutcome
from sandbox.errors import invalid, missing_param
from sandbox.objects import Object, Params

DAY = 86400
CURRENCY = {"us_bank_account": "usd", "sepa_debit": "eur"}
"""The only currency in which each kind of account pays."""
ROUTING_NUMBER = "110000000"


@dataclass(frozen=True)
class BankAccount:
    type: str
    number: str
    """The account number, or the IBAN."""
    token: str
    effect: str
    answer_seconds: int | None
    """Seconds until the bank answers a debit; None: never."""
    failure: Decline | None = None
    dispute_trigger: DisputeTrigger | None = None

    decline = None
    """A debit is never declined at once."""
    attachable = True
    authentication = Authentication.NEVER
    refund = RefundOutcome.SUCCEEDS_LATER

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


def _decline(code: str, message: str) -> Decline:
    return Decline(code, None, message, None)


INSUFFICIENT_FUNDS = _decline(
    "insufficient_funds", "The customer's account has insufficient funds to cover this payment."
)
ACCOUNT_CLOSED = _decline("account_closed", "The customer's bank account has been closed.")
NOT_AUTHORIZED = _decline(
    "debit_not_authorized",
    "The customer has notified their bank that this payment was unauthorized.",
)
ACH, SEPA = "us_bank_account", "sepa_debit"
ACCOUNTS = (
    BankAccount(ACH, "000123456789", "pm_usBankAccount_success", "Pays after 4 days", 4 * DAY),
    BankAccount(
        ACH, "000222222227", "pm_usBankAccount_insufficientFunds",
        "Has insufficient funds, known after 4 days", 4 * DAY, INSUFFICIENT_FUNDS,
    ),
    BankAccount(
        ACH, "000111111113", "pm_usBankAccount_accountClosed",
        "Is closed, known after 4 days", 4 * DAY, ACCOUNT_CLOSED,
    ),
    BankAccount(
        ACH, "000333333335", "pm_usBankAccount_debitNotAuthorized",
        "Does not allow the debit, known after 4 days", 4 * DAY, NOT_AUTHORIZED,
    ),
    BankAccount(
        ACH, "000555555559", "pm_usBankAccount_dispute",
        "Pays after 4 days, then disputes", 4 * DAY, dispute_trigger=DisputeTrigger.FRAUDULENT,
    ),
    BankAccount(ACH, "000000000009", "pm_usBankAccount_processing", "Never answers", None),
    BankAccount(
        SEPA, "AT611904300234573201", "pm_sepaDebit_success", "Pays after 5 days", 5 * DAY
    ),
    BankAccount(
        SEPA, "AT321904300235473204", "pm_sepaDebit_successDelayed", "Pays after 14 days", 14 * DAY
    ),
    BankAccount(
        SEPA, "AT861904300235473202", "pm_sepaDebit_failed",
        "Has insufficient funds, known after 5 days", 5 * DAY, INSUFFICIENT_FUNDS,
    ),
)  # fmt: skip
BY_FINGERPRINT = {account.fingerprint: account for account in ACCOUNTS}
BY_NUMBER = {account.number: account for account in ACCOUNTS}
BY_TOKEN = {account.token: account for account in ACCOUNTS}


def find_account(method_type: str, params: Params) -> BankAccount:
    """Find the test account with the sent number or IBAN.

    Raises 400 for an unknown number or a missing account holder's name.
    """
    details = params.get(method_type)
    if details is None:
        raise missing_param(method_type)
    if not params.get("billing_details", {}).get("name"):
        raise missing_param("billing_details[name]")
    name = "iban" if method_type == SEPA else "account_number"
    if name not in details:
        raise missing_param(f"{method_type}[{name}]")
    if method_type == ACH and details.get("routing_number") != ROUTING_NUMBER:
        raise invalid("You must use a test routing number.", param=f"{method_type}[routing_number]")
    account = BY_NUMBER.get(details[name].replace(" ", ""))
    if account is None or account.type != method_type:
        noun = "IBAN" if method_type == SEPA else "bank account number"
        raise invalid(
            f"You must use a test {noun} when making payments in test mode. See "
            "https://docs.stripe.com/testing.",
            param=f"{method_type}[{name}]",
        )
    return account


def payment_method_hash(account: BankAccount, details: Params) -> Object:
    """The hash ``us_bank_account`` or ``sepa_debit`` of a payment method."""
    shared = {"fingerprint": account.fingerprint, "last4": account.last4}
    if account.type == SEPA:
        bank = {"bank_code": account.number[4:9], "branch_code": "", "country": account.number[:2]}
        return {**shared, **bank, "generated_from": {"charge": None, "setup_attempt": None}}
    return {
        **shared,
        "account_holder_type": details.get("account_holder_type", "individual"),
        "account_type": details.get("account_type", "checking"),
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": ROUTING_NUMBER,
        "status_details": {},
    }


def charge_details(method: Object) -> Object:
    """The hash ``payment_method_details`` of a charge."""
    details: Object = method[method["type"]]
    names = ("bank_code", "branch_code", "country", "fingerprint", "last4") if (
        method["type"] == SEPA
    ) else ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4",
            "routing_number")  # fmt: skip
    fields = {name: details[name] for name in names} | {"mandate": None}
    return {"type": method["type"], method["type"]: fields}
