"""Values that several bodies share. A body is the JSON object of an answer or an event.

Its ``TypedDict`` stands beside the function that builds it and is the only declaration of its
fields: mypy checks the function against it, and ``common.api.bodies`` generates the OpenAPI
document from it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, TypedDict, overload


@dataclass(frozen=True, slots=True)
class MaxLength:
    """Most characters of a string."""

    characters: int


UserId = Annotated[str, MaxLength(255), "Your own id of the user."]
Metadata = dict[str, Annotated[str, MaxLength(500)]]
Time = Annotated[str, datetime]
"""RFC 3339 in UTC, as :func:`common.times.rfc3339` writes it."""
Day = Annotated[str, date]
"""A day in UTC, such as ``2026-11-24``."""


class MoneyBody(TypedDict):
    """``{"amount": 2900, "currency": "usd"}``, in minor units."""

    amount: Annotated[int, "Minor units: cents, yen, fils."]
    currency: Annotated[str, "ISO 4217, lower case."]


@overload
def money(amount: int, currency: str) -> MoneyBody: ...
@overload
def money(amount: int | None, currency: str) -> MoneyBody | None: ...
def money(amount: int | None, currency: str) -> MoneyBody | None:
    """An amount in minor units with its currency; None for an unknown amount."""
    return None if amount is None else {"amount": amount, "currency": currency}
