"""Malformed answers of Stripe never cause a 500, a wrong row or a second object."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from stripe import StripeClient  # the boundary is what is tested

from billing.models import Price, StripeCustomer, StripeIntent
from billing.models.stripe_intent import IntentState
from billing.outbound import intents
from billing.outbound.intent_resolution import MAX_MALFORMED
from billing.stripe import accounts, meters, payment_methods, previews
from billing.stripe.client import client_with
from billing.stripe.errors import (
    StripeMalformed,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.snapshots import StripeSnapshot
from billing.stripe.write_operations import WRITES
from billing.sync.kinds import KINDS, Mirrored
from sandbox import bank
from sandbox.world import DEFAULT_SECRET_KEY
from tests.chaos.test_writes import IN_FULL, ask_again, finish, intent_of, let_pass, start_write
from tests.chaos.write_bench import Bench
from tests.chaos.write_recipes import RECIPES
from tests.shop import Shop

TRIES = 3
"""Of the gate, for one request."""
BODIES = {
    "a list": (200, "[]"),
    "null": (200, "null"),
    "a text": (200, '"ok"'),
    "a page": (200, "<html><body>Welcome</body></html>"),
    "nothing": (200, ""),
    "half an object": (200, '{"object": "customer", "id": "cu'),
    "an object without members": (200, "{}"),
    "a list without data": (200, '{"object": "list"}'),
    "an error without its type": (400, '{"error": "bad"}'),
    "an error that is null": (400, '{"error": null}'),
    "a page that is not found": (404, "<h1>Not Found</h1>"),
    "an object that is not found": (404, "{}"),
    "a page for a key that is wrong": (401, "<h1>Sign in</h1>"),
    "a broken gateway": (502, "<h1>Bad Gateway</h1>"),
    "a redirection": (302, ""),
}
WRONG: tuple[Any, ...] = (None, 7, -1.5, "x", 2**70, [], [7], {}, {"id": 7}, True)
"""Values of other types than most members have."""


def malform_answers(shop: Shop, when: str, status: int, body: str, times: int = TRIES) -> None:
    for method in ("POST", "DELETE"):
        shop.stripe.fail(f"malformed_{when}", method=method, status=status, body=body, times=times)


def cases(operation: str) -> list[tuple[str, str]]:
    """A third of all, that differs between operations, or all of them for those ``IN_FULL``."""
    offset = sorted(WRITES).index(operation)
    return [
        (name, ("before", "after")[(number + offset) % 2])
        for number, name in enumerate(BODIES)
        if operation in IN_FULL or (number + offset) % 3 == 0
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("operation", sorted(WRITES))
def test_a_write_with_a_malformed_answer_is_done_once(shop: Shop, operation: str) -> None:
    """It stays open, and the janitor finds out."""
    bench, earlier_ids = Bench(shop), set[str]()
    for name, when in cases(operation):
        status, body = BODIES[name]
        description = (operation, name, when)
        case, at = RECIPES[operation](bench), timezone.now()
        malform_answers(shop, when, status, body)
        with pytest.raises(StripeUnavailable) as raised:
            start_write(shop, operation, case, at)
        assert raised.value.retry_after, description
        shop.stripe.world.faults.clear()
        intent = intent_of(operation, earlier_ids)
        assert intent is not None
        assert intent.state == IntentState.UNKNOWN, description
        assert "req_" in intent.last_error, description
        passed = finish(intent, at)
        ended = {IntentState.DONE, IntentState.FAILED} if case.is_refused else {IntentState.DONE}
        assert intent.state in ended, description
        ask_again(shop, operation, case, at + timedelta(seconds=passed))
        assert case.done() == (not case.is_refused), description
        earlier_ids |= {row.pk for row in StripeIntent.objects.across_projects()}


@pytest.mark.django_db
@pytest.mark.parametrize("operation", sorted(set(WRITES) - {"refund.cancel"}))
@pytest.mark.parametrize("how", ["without its identity", "of another", "of another kind"])
def test_an_answer_of_another_object_is_not_taken_for_done(
    shop: Shop, operation: str, how: str
) -> None:
    case, at = RECIPES[operation](Bench(shop)), timezone.now()
    identity = WRITES[operation].identity
    ways: dict[str, dict[str, Any]] = {
        "without its identity": {"without": [identity]},
        "of another": {"changes": {identity: "" if not case.target else "another"}},
        "of another kind": {"changes": {"object": "unicorn"}},
    }
    spoilt = ways[how]
    if how == "of another" and operation.endswith(".create"):
        spoilt = {"changes": {identity: None}}
    for method in ("POST", "DELETE"):
        shop.stripe.fail("malformed_after", method=method, times=1, **spoilt)
    with pytest.raises(StripeMalformed):
        start_write(shop, operation, case, at)
    shop.stripe.world.faults.clear()
    intent = intent_of(operation, set())
    assert intent is not None
    passed = finish(intent, at)
    assert intent.state == IntentState.DONE
    ask_again(shop, operation, case, at + timedelta(seconds=passed))
    assert case.done() == 1


def test_a_write_whose_answers_stay_malformed_is_parked(shop: Shop) -> None:
    case, at = RECIPES["product.create"](Bench(shop)), timezone.now()
    shop.stripe.fail("malformed_after", method="POST", times=999, without=["id"])
    with pytest.raises(StripeMalformed):
        start_write(shop, "product.create", case, at)
    intent = intent_of("product.create", set())
    assert intent is not None
    for _ in range(MAX_MALFORMED - 1):
        let_pass(intent)
        assert intents.finish_due(at=at) == 1
        intent.refresh_from_db()
    assert (intent.state, intent.attempts) == (IntentState.PARKED, MAX_MALFORMED)
    assert case.done() == 1


def test_an_unknown_address_is_not_an_object_that_is_gone(shop: Shop) -> None:
    body = '{"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}}'
    shop.stripe.fail("malformed_before", status=404, body=body, times=len(KINDS))
    for mirrored in KINDS.values():
        with pytest.raises(StripeRefused):
            mirrored.retrieve(client_with(DEFAULT_SECRET_KEY), "x_1")


def _listed(mirrored: Mirrored, client: StripeClient) -> list[Any]:
    return list(mirrored.iterate(client))


def reads(shop: Shop, alice: StripeCustomer, monthly: Price) -> dict[str, Callable[[], Any]]:
    """Every way in which we read, of something that is there."""
    client = client_with(DEFAULT_SECRET_KEY)
    bench = Bench(shop)
    coupon = bench.coupon
    shop.stripe.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon}})
    shop.subscribe(alice, monthly, discounts=[{"coupon": coupon}])
    shop.checkout(alice, monthly)
    bank.issue_fraud_warning(shop.stripe.world, shop.stripe.v1.payment_intents.list().data[0].id)
    reads_by_name: dict[str, Callable[[], Any]] = {}
    for mirrored in KINDS.values():
        first = next(iter(mirrored.iterate(client)))
        reads_by_name[f"{mirrored.kind}"] = partial(mirrored.retrieve, client, first.stripe_id)
        reads_by_name[f"{mirrored.kind} list"] = partial(_listed, mirrored, client)
    buyer = str(alice.stripe_id)
    method = shop.stripe.v1.customers.payment_methods.list(buyer).data[0].id
    meter = bench.meter
    preview: Any = {"customer": buyer, "invoice_items": [{"amount": 5, "currency": "usd"}]}
    return reads_by_name | {
        "account": lambda: accounts.current(client),
        "saved methods": lambda: payment_methods.list_saved(client, buyer),
        "saved method": lambda: payment_methods.retrieve(client, buyer, method),
        "default method": lambda: payment_methods.find_default(client, buyer),
        "meter": lambda: meters.find(client, meter),
        "preview": lambda: previews.preview(client, preview),
    }


@pytest.mark.parametrize("name", BODIES)
def test_a_read_with_a_malformed_answer_says_that_stripe_is_away(
    shop: Shop, alice: StripeCustomer, monthly: Price, name: str
) -> None:
    status, body = BODIES[name]
    for what, read in reads(shop, alice, monthly).items():
        shop.stripe.fail("malformed_before", status=status, body=body, times=TRIES)
        with pytest.raises(StripeUnavailable) as raised:
            read()
        assert "req_" in raised.value.detail, what
        shop.stripe.world.faults.clear()
        assert read()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_absent_or_wrong_field_makes_no_wrong_row(
    shop: Shop, alice: StripeCustomer, monthly: Price, kind: str
) -> None:
    """What is absent is either not needed or missed; what is wrong reaches no row untyped."""
    read = reads(shop, alice, monthly)[kind]
    whole = read()
    fields = _answer(shop, kind, whole.stripe_id)
    missed = 0
    for name in fields:
        snapshot = _read_spoilt(shop, read, without=[name])
        assert snapshot in (None, whole), (kind, name)
        missed += snapshot is None
        for value in WRONG:
            snapshot = _read_spoilt(shop, read, changes={name: value})
            assert snapshot is None or isinstance(snapshot, StripeSnapshot), (kind, name, value)
    assert missed >= 4


def _read_spoilt(shop: Shop, read: Callable[[], Any], **how: Any) -> Any:
    """What is read of a spoilt answer; None when it cannot be."""
    shop.stripe.fail("malformed_after", method="GET", times=TRIES, **how)
    try:
        return read()
    except (StripeUnavailable, StripeObjectMissing):
        return None
    finally:
        shop.stripe.world.faults.clear()


def _answer(shop: Shop, kind: str, stripe_id: str) -> dict[str, Any]:
    service: Any = {
        "checkout_session": shop.stripe.v1.checkout.sessions,
        "fraud_warning": shop.stripe.v1.radar.early_fraud_warnings,
    }.get(kind) or getattr(shop.stripe.v1, f"{kind}s")
    fields: dict[str, Any] = service.retrieve(stripe_id).to_dict(for_json=True)
    return fields
