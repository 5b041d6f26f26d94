"""The payment form: its values and its errors."""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from sandbox.checkout.completion import BuyerDetails, CheckoutResult
from sandbox.limits import EMAIL
from sandbox.objects import Params

EXPIRY = re.compile(r"(0?[1-9]|1[0-2])\s*[/ -]?\s*(\d{2}|20\d{2})")
FIELDS_BY_PARAM = {
    "card[number]": "number",
    "card[exp_month]": "expiry",
    "card[exp_year]": "expiry",
    "card[cvc]": "cvc",
    "email": "email",
}
"""Form fields by API parameter, to place errors."""
FIELDS_BY_CODE = {
    "incorrect_cvc": "cvc",
    "expired_card": "expiry",
    "incorrect_number": "number",
}


BUYER_MESSAGES = {
    "payment_intent_authentication_failure": (
        "We could not confirm that it is you. Try again, or use another card."
    ),
}
BUYER_MESSAGES["setup_intent_authentication_failure"] = BUYER_MESSAGES[
    "payment_intent_authentication_failure"
]
"""Messages for buyers, where the API's text is for programmers."""


@dataclass(frozen=True)
class PaymentForm:
    """Values of the form. Card number and code are not shown again."""

    email: str = ""
    name: str = ""
    expiry: str = ""
    country: str = ""
    state: str = ""
    postal_code: str = ""
    holder: str = ""
    account: str = ""

    @classmethod
    def read(cls, fields: MultiDict[str, str]) -> PaymentForm:
        return cls(
            **{name: fields.get(name, "").strip()[:200] for name in cls.__dataclass_fields__}
        )

    @property
    def buyer(self) -> BuyerDetails:
        return BuyerDetails(email=self.email or None, name=self.name or self.holder or None)

    def errors(
        self, fields: MultiDict[str, str], *, knows_email: bool, card: bool
    ) -> dict[str, str]:
        """Errors by field; empty when the card may be charged."""
        messages = {}
        if not knows_email and not EMAIL.fullmatch(self.email):
            messages["email"] = "Enter your e-mail address."
        if card:
            if not re.fullmatch(r"[\d -]{12,23}", fields.get("number", "").strip()):
                messages["number"] = "Enter the number on your card."
            if not EXPIRY.fullmatch(self.expiry):
                messages["expiry"] = "Enter month and year, such as 12 / 34."
            if not re.fullmatch(r"\d{3,4}", fields.get("cvc", "").strip()):
                messages["cvc"] = "Enter the 3 or 4 digits."
            if not self.name:
                messages["name"] = "Enter the name on your card."
        return messages

    @property
    def address(self) -> dict[str, str] | None:
        """The entered address; None if the page has none."""
        if not self.country:
            return None
        return {name: getattr(self, name) for name in ("country", "state", "postal_code")}

    def debit_errors(self, tokens: list[str], *, knows_email: bool) -> dict[str, str]:
        """Errors by field for a bank account, which must be an offered one."""
        messages = {}
        if not knows_email and not EMAIL.fullmatch(self.email):
            messages["email"] = "Enter your e-mail address."
        if not self.holder:
            messages["holder"] = "Enter the name of the account's holder."
        if self.account not in tokens:
            messages["account"] = "Choose an account."
        return messages

    def card(self, fields: MultiDict[str, str]) -> Params:
        """Card details for the API. Call it only when ``errors`` is empty."""
        expiry = EXPIRY.fullmatch(self.expiry)
        assert expiry, "errors() has checked the expiry"
        year = int(expiry[2])
        return {
            "number": re.sub(r"\D", "", fields["number"]),
            "exp_month": int(expiry[1]),
            "exp_year": year + 2000 if year < 100 else year,
            "cvc": fields["cvc"].strip(),
        }


def payment_errors(outcome: CheckoutResult) -> dict[str, str]:
    """Errors by field for a declined payment; the key ``""`` stands above the card."""
    field = FIELDS_BY_PARAM.get(outcome.param or "") or FIELDS_BY_CODE.get(outcome.code or "", "")
    message = BUYER_MESSAGES.get(outcome.code or "") or outcome.message
    return {field: message or "Your card was declined."}
