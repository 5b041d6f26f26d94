"""Pays checkout sessions as a buyer would, without a browser.

result = buyer.pay(world, session.url)
result = buyer.pay(world, session.id, card="4000000000000002")  # result.status == "declined"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox import accounts, test_clocks
from sandbox.checkout import billing_address, completion, session_discounts
from sandbox.checkout.completion import KIND, BuyerDetails, CheckoutResult
from sandbox.errors import no_such
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World

EMAIL = "buyer@example.com"
NAME = "Ada Buyer"
ADDRESS = {
    "line1": "1 Main Street",
    "city": "New York",
    "state": "NY",
    "postal_code": "10001",
    "country": "US",
}


def pay(
    world: World,
    session: str,
    *,
    card: str | None = "4242424242424242",
    email: str = EMAIL,
    name: str = NAME,
    promotion_code: str | None = None,
    address: dict[str, str] | None = None,
    authenticates: bool | None = True,
) -> CheckoutResult:
    """Pay a session with a card number, a test token (``pm_card_visa``) or a saved method's id.

    ``session`` is an id or a URL. ``promotion_code`` is entered before paying. ``address`` is
    entered when the page collects one (default: New York). When the bank requires 3-D Secure,
    ``authenticates`` says whether the buyer succeeds, fails (``False``) or leaves the page open
    (``None``). Raises ``StripeFailure`` if the session does not exist or is not open.
    """
    id = last_path_segment(session)
    with object_transaction(world, KIND, id) as tx:
        body = tx.path_object(KIND, id)
        if promotion_code:
            session_discounts.apply_code(tx, body, promotion_code)
        entered_address = (
            (address or ADDRESS) if address or billing_address.is_missing(tx, body) else None
        )
        outcome = completion.complete_session(
            tx,
            body,
            card=_card_details(tx, card),
            buyer=BuyerDetails(email=email, name=name, address=entered_address),
        )
    if outcome.status != "requires_action" or authenticates is None:
        return outcome
    assert outcome.url, "requires_action comes with a URL"
    return authenticate(world, last_path_segment(outcome.url), succeeds=authenticates)


def authenticate(world: World, intent: str, *, succeeds: bool) -> CheckoutResult:
    """Finish the 3-D Secure authentication of a payment or setup intent."""
    kind = "setup_intent" if intent.startswith("seti_") else "payment_intent"
    with object_transaction(world, kind, intent) as tx:
        return completion.finish_authentication(tx, tx.path_object(kind, intent), succeeds=succeeds)


def last_path_segment(address: str) -> str:
    """The id at the end of a page's URL; an id is returned as it is."""
    return urlsplit(address).path.rstrip("/").rpartition("/")[2]


@contextmanager
def object_transaction(world: World, kind: str, object_id: str) -> Iterator[Transaction]:
    """Open a transaction on the account of the object, at its test clock's time. Raises 404."""
    with world.transaction(find_account_of(world, kind, object_id)) as tx:
        test_clocks.use_clock_time(tx, [object_id])
        yield tx


def find_account_of(world: World, kind: str, object_id: str) -> str:
    """Id of the account that has the object. Raises 404."""
    for account in accounts.list_account_ids(world):
        if world.store.get((account, kind, object_id)):
            return account
    raise no_such(kind.replace("_", ""), object_id, in_path=True)


def _card_details(tx: Transaction, card: str | None) -> dict[str, Any] | str | None:
    """Card details for a card number; any other text is returned as a payment method's id."""
    number = (card or "").replace(" ", "")
    if not number.isdecimal():
        return card
    year = 1970 + tx.now // 31_556_952
    return {"number": number, "exp_month": 12, "exp_year": year + 3, "cvc": "123"}
