"""Operators refund from a payment's page after seeing the effect on access."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Payment, Price, Product, StripeCustomer
from entitlements.decisions.selectors import decisions
from events.models import AuditEntry
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.billing_fixtures import SandboxStripe
from tests.console.dialogs import messages_of, send, was_done
from tests.shop import Shop

Drain = Callable[[], None]


@pytest.fixture
def payment(shop: Shop, alice: StripeCustomer, once: Price, drain: Drain) -> Payment:
    """99 dollars for single sign-on and fifty credits."""
    Product.objects.for_project(shop.project).update(credits_amount=50)
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    drain()
    return Payment.objects.for_project(shop.project).get()


def address(payment: Payment) -> str:
    return reverse("admin:billing_payment_refund", args=[quote(payment.pk)])


def is_allowed(shop: Shop) -> bool:
    at = timezone.now()
    return decisions.check(project=shop.project, user_id="alice", feature="sso", at=at).allowed


def fingerprint(answer: object) -> str:
    page = answer.content.decode()  # type: ignore[attr-defined]  # Django's test response
    return str(page.split('name="previewed" value="')[1].split('"')[0])


def test_the_effect_is_shown_before_the_refund(
    shop: Shop, payment: Payment, operator: Client, viewer: Client, drain: Drain
) -> None:
    page = operator.get(address(payment))
    assert "all that is left: 99.00 USD" in page.content.decode()
    seen = send(operator, address(payment))
    assert "on (entitled)" in seen.content.decode()
    assert "off (not entitled)" in seen.content.decode()
    assert "50 to spend</td><td>0 to spend</td>" in seen.content.decode()
    assert payment.refunds.count() == 0
    assert viewer.get(address(payment)).status_code == 403

    partly = send(operator, address(payment), amount="9.00", previewed=fingerprint(seen))
    assert "off (not entitled)" not in partly.content.decode(), "another amount is shown first too"
    assert payment.refunds.count() == 0

    done = send(operator, address(payment), previewed=fingerprint(seen), why="duplicate")
    assert was_done(done), done.content
    (refund,) = payment.refunds.all()
    assert messages_of(done) == [f"Refunded 99.00 USD: {refund.pk}."]
    assert (refund.amount, refund.reason, refund.status) == (9900, "duplicate", "succeeded")
    assert not is_allowed(shop)
    entry = AuditEntry.objects.get(action="payment.refund")
    assert (entry.actor, entry.reason) == ("operator:operator", "The customer asked.")
    again = send(operator, address(payment))
    refused = send(operator, address(payment), previewed=fingerprint(again))
    assert "The amount is more than can still be refunded." in refused.content.decode()
    assert payment.refunds.count() == 1


def test_money_credited_by_a_downgrade_needs_a_confirmation(
    shop: Shop, alice: StripeCustomer, monthly: Price, operator: Client, drain: Drain
) -> None:
    """Stripe would give it back a second time."""
    smaller = shop.price(monthly.product, amount=900)
    subscription = shop.subscribe(alice, monthly)
    item = shop.stripe.v1.subscriptions.retrieve(subscription)["items"].data[0].id
    shop.stripe.v1.subscriptions.update(
        subscription,
        {
            "items": [{"id": item, "price": str(smaller.stripe_id)}],
            "proration_behavior": "always_invoice",
        },
    )
    drain()
    payment = Payment.objects.for_project(shop.project).get()

    seen = send(operator, address(payment))
    assert (
        "20.00 USD of this payment were credited when the subscription changed."
        in seen.content.decode()
    )
    refused = send(operator, address(payment), previewed=fingerprint(seen))
    assert "2000 minor units of this payment were credited" in refused.content.decode()
    assert payment.refunds.count() == 0

    response = send(operator, address(payment), credited_too="on")
    done = send(operator, address(payment), previewed=fingerprint(response), credited_too="on")
    assert was_done(done), done.content
    assert payment.refunds.get().amount == 2900


@pytest.mark.parametrize("amount", ["0", "-1", "1e2", "9.9", "9.001", "all", "1,000", "0.00", "١"])
def test_invalid_amounts_are_refused(payment: Payment, operator: Client, amount: str) -> None:
    answer = send(operator, address(payment), amount=amount)
    assert not was_done(answer)
    assert 'name="previewed"' in answer.content.decode()
    assert payment.refunds.count() == 0


def test_an_operator_refunds_chosen_lines(
    api: ApiClient, stripe: SandboxStripe, project: Project, operator: Client
) -> None:
    """Of a cart one line goes back: only its feature ends, and that is shown first."""
    tenant = Tenant(api, stripe)
    prices = []
    for code, amount in (("export", 6000), ("import", 4000)):
        tenant.feature(project, code)
        product = tenant.product(code.title(), features=[{"feature": code}])
        prices.append(tenant.price(product, amount=amount, interval=None))
    page = tenant.open_cart(tenant.cart(*prices))
    tenant.pay(page)
    bought = tenant.sync(page)
    payment = Payment.objects.for_project(project).get()
    line = bought["lines"][1]["id"]

    assert "1 × Import: 40.00 USD left" in operator.get(address(payment)).content.decode()
    mixed = send(operator, address(payment), lines=line, amount="40.00")
    assert "Choose lines or type an amount, not both." in mixed.content.decode()
    seen = send(operator, address(payment), lines=line)
    html = seen.content.decode()
    assert "Refund 40.00 USD" in html
    assert html.count("off (not entitled)") == 1
    assert payment.refunds.count() == 0
    done = send(operator, address(payment), lines=line, previewed=fingerprint(seen))
    assert was_done(done), done.content
    assert payment.refunds.get().lines == [{"line": line, "amount": 4000, "quantity": 1}]
    assert payment.refunds.get().amount == 4000
    detail = operator.get(reverse("admin:billing_payment_change", args=[quote(payment.pk)]))
    assert line in detail.content.decode()


def test_every_chosen_line_is_still_chosen_after_the_preview(
    api: ApiClient, stripe: SandboxStripe, project: Project, operator: Client
) -> None:
    tenant = Tenant(api, stripe)
    prices = [
        tenant.price(tenant.product(name), amount=amount, interval=None)
        for name, amount in (("Export", 6000), ("Import", 4000), ("Audit", 1000))
    ]
    page = tenant.open_cart(tenant.cart(*prices))
    tenant.pay(page)
    first, second, _ = [each["id"] for each in tenant.sync(page)["lines"]]
    payment = Payment.objects.for_project(project).get()

    seen = send(operator, address(payment), lines=[first, second])
    assert "Refund 100.00 USD" in seen.content.decode()
    assert checked(seen) == {first, second}
    done = send(
        operator, address(payment), lines=sorted(checked(seen)), previewed=fingerprint(seen)
    )
    assert was_done(done), done.content
    assert payment.refunds.get().amount == 10000


def checked(answer: object) -> set[str]:
    """What the form would send again: the values of its ticked boxes."""
    page = answer.content.decode()  # type: ignore[attr-defined]  # Django's test response
    boxes = re.findall(r'<input[^>]*name="lines"[^>]*>', page)
    return {
        re.findall(r'value="([^"]+)"', each)[0]
        for each in boxes
        if re.search(r" checked[ >]", each)
    }
