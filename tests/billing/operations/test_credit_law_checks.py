"""The nightly check compares credits with mirrored money and repairs differences."""

from dataclasses import replace

import pgtrigger
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import CheckoutLine, Payment, Price, Product, StripeCustomer, Subscription
from billing.operations import law_checks
from billing.sync import service as sync
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms, credit_grants
from entitlements.credits import service as credit_service
from entitlements.credits.service import CreditSpendRequest
from entitlements.models import CreditEntry, CreditGrant, CreditTransaction
from tests.billing.operations.reconcile_command import Drain, run
from tests.sandbox_stripe import Clock
from tests.shop import Shop

PERIODS, PURCHASES, GRANTS = "subscription credits", "purchase credits", "credit grants"
OF_CREDITS = (PERIODS, PURCHASES, GRANTS, "credit ledger")


def check(law: str, *, repair: bool = True) -> list[str]:
    page = law_checks.check_page(law, after="", at=timezone.now(), repair=repair)
    assert [each.error for each in page.violations] == [None] * len(page.violations)
    return [str(each) for each in page.violations]


def balance(buyer: StripeCustomer) -> int:
    return credits.balance(
        project_id=buyer.project_id, customer_id=buyer.customer_id, at=timezone.now()
    )


def grants(shop: Shop) -> list[CreditGrant]:
    return list(CreditGrant.objects.for_project(shop.project).order_by("id"))


def forget_grants(shop: Shop) -> None:
    """As a defect would that never gave them."""
    with pgtrigger.ignore():
        CreditEntry.objects.for_project(shop.project).delete()
        CreditTransaction.objects.for_project(shop.project).delete()
        CreditGrant.objects.for_project(shop.project).delete()


@pytest.fixture
def subscription(shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain) -> str:
    """A month with fifty credits; its id at Stripe."""
    Product.objects.for_project(shop.project).update(credits_amount=50)
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    assert balance(alice) == 50
    return stripe_id


@pytest.fixture
def pack(shop: Shop, alice: StripeCustomer, once: Price, drain: Drain) -> CheckoutLine:
    """Two hundred credits that are paid once."""
    Product.objects.for_project(shop.project).filter(pk=once.product_id).update(
        credits_amount=200, credits_priority=7, credits_expire_after_days=90
    )
    shop.complete(shop.checkout(alice, once))
    before = balance(alice)
    drain()
    assert balance(alice) == before + 200
    return CheckoutLine.objects.for_project(shop.project).get()


def spend(buyer: StripeCustomer, amount: int) -> None:
    credit_service.spend(
        project_id=buyer.project_id,
        customer_id=buyer.customer_id,
        request=CreditSpendRequest(amount=amount),
        at=timezone.now(),
    )


def test_granted_and_spent_credits_are_no_difference(
    shop: Shop, alice: StripeCustomer, subscription: str, once: Price, drain: Drain, clock: Clock
) -> None:
    Product.objects.for_project(shop.project).filter(pk=once.product_id).update(credits_amount=200)
    shop.complete(shop.checkout(alice, once))
    drain()
    spend(alice, 70)
    clock.advance(days=32)
    drain()
    payment = Payment.objects.for_project(shop.project).order_by("id").first()
    assert payment is not None
    shop.stripe.v1.refunds.create({"payment_intent": str(payment.stripe_id)})
    drain()
    assert {law: check(law) for law in OF_CREDITS} == {law: [] for law in OF_CREDITS}


def test_missing_credits_of_a_period_are_granted(
    shop: Shop, alice: StripeCustomer, subscription: str
) -> None:
    [before] = grants(shop)
    forget_grants(shop)
    [violation] = check(PERIODS, repair=False)
    row = Subscription.objects.for_project(shop.project).get()
    assert violation == f"subscription {row.pk}: credits of {before.key}: not given, 50 are due"
    assert balance(alice) == 0
    assert len(check(PERIODS)) == 1
    assert balance(alice) == 50
    [after] = grants(shop)
    assert (after.key, after.expires_at) == (before.key, before.expires_at)
    assert (check(PERIODS), balance(alice)) == ([], 50)


def test_excess_credits_of_a_period_are_taken_back(
    shop: Shop, alice: StripeCustomer, subscription: str
) -> None:
    """What was spent of it stays spent and is shown; the rest is taken back."""
    [grant] = grants(shop)
    terms = credit_grant_terms.terms_of(grant)
    more = replace(terms, amount=500, due=500)
    credit_grants.revise(customer=alice.customer, grant=grant, terms=more, at=timezone.now())
    spend(alice, 80)
    assert balance(alice) == 420
    [violation] = check(PERIODS)
    assert violation.endswith(f"credits of {grant.pk}: amount 500 -> 50, due 500 -> 50")
    assert balance(alice) == 0
    [held] = grants(shop)
    assert (held.given, held.spent, held.overspent) == (80, 80, 30)
    assert check(PERIODS) == []


def test_credits_that_an_operator_revoked_are_no_difference(
    shop: Shop, alice: StripeCustomer, subscription: str
) -> None:
    [grant] = grants(shop)
    credit_grants.revoke(grant=grant, reason="Abuse.", actor="operator:ada", at=timezone.now())
    CreditGrant.objects.for_project(shop.project).update(amount=77)
    assert {law: check(law) for law in OF_CREDITS} == {law: [] for law in OF_CREDITS}
    assert balance(alice) == 0


@pytest.mark.parametrize(
    ("column", "value"), [("withheld_at", "now"), ("expires_at", "now"), ("carried", 20)]
)
def test_terms_that_do_not_follow_are_stated_anew(
    shop: Shop, alice: StripeCustomer, subscription: str, column: str, value: object
) -> None:
    before = CreditGrant.objects.for_project(shop.project).values().get()
    wrong = timezone.now() if value == "now" else value
    CreditGrant.objects.for_project(shop.project).update(**{column: wrong})
    assert len(check(PERIODS)) == 1
    assert CreditGrant.objects.for_project(shop.project).values().get() == before
    assert check(PERIODS) == []


def test_money_that_went_back_unnoticed_takes_its_credits_back(
    shop: Shop, alice: StripeCustomer, subscription: str
) -> None:
    """The mirror of the payment knows of the refund; nobody let the credits follow."""
    Payment.objects.for_project(shop.project).update(amount_refunded=2900)
    [violation] = check(PERIODS)
    assert violation.endswith("due 50 -> 0")
    assert balance(alice) == 0


def test_a_change_of_the_catalog_that_is_on_its_way_is_no_difference(
    shop: Shop, alice: StripeCustomer, subscription: str
) -> None:
    """Nor is another number of credits: what was given stays as it was."""
    Product.objects.for_project(shop.project).update(credits_amount=900)
    assert check(PERIODS) == []


def test_missing_credits_of_a_purchase_are_granted(
    shop: Shop, alice: StripeCustomer, pack: CheckoutLine
) -> None:
    """As many as when it was bought, whatever the product gives by now; once."""
    [before] = grants(shop)
    forget_grants(shop)
    Product.objects.for_project(shop.project).update(credits_amount=1)
    [violation] = check(PURCHASES, repair=False)
    assert violation == f"checkout {pack.checkout_id}: credits of {pack.pk}: not given, 200 are due"
    assert balance(alice) == 0
    assert len(check(PURCHASES)) == 1
    [after] = grants(shop)
    assert balance(alice) == 200
    assert (after.priority, after.expires_at) == (7, before.expires_at)
    assert (check(PURCHASES), balance(alice)) == ([], 200)


def test_a_product_without_credits_at_the_purchase_gives_none_later(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    shop.complete(shop.checkout(alice, once))
    drain()
    Product.objects.for_project(shop.project).update(credits_amount=200)
    assert check(PURCHASES) == []
    assert balance(alice) == 0


def test_wrong_credits_of_a_purchase_are_corrected(
    shop: Shop, alice: StripeCustomer, pack: CheckoutLine
) -> None:
    CreditGrant.objects.for_project(shop.project).update(amount=900, due=900)
    assert len(check(PURCHASES)) == 1
    [grant] = grants(shop)
    assert (grant.amount, grant.due, balance(alice)) == (200, 200, 200)
    Payment.objects.for_project(shop.project).update(amount_refunded=9900)
    assert len(check(PURCHASES)) == 1
    assert balance(alice) == 0
    assert check(PURCHASES) == []


def test_a_grant_with_a_wrong_amount_is_corrected(shop: Shop, alice: StripeCustomer) -> None:
    """Also one that a person gave, of which no mirror knows."""
    grant = credit_grants.give_by_hand(
        project=shop.project,
        user_id="alice",
        amount=100,
        reason="Sorry.",
        actor="operator:ada",
        at=timezone.now(),
    )
    CreditGrant.objects.for_project(shop.project).update(due=130)
    assert check(GRANTS, repair=False) == [f"credits of {grant.pk}: not booked: grant 30"]
    assert balance(alice) == 100
    assert len(check(GRANTS)) == 1
    assert (balance(alice), check(GRANTS)) == (130, [])


def test_a_page_of_credits_takes_as_many_queries_as_one_row(
    shop: Shop, monthly: Price, once: Price, drain: Drain
) -> None:
    Product.objects.for_project(shop.project).update(credits_amount=50)
    counts = []
    for number in range(3):
        buyer = shop.buyer(f"user-{number}")
        shop.subscribe(buyer, monthly)
        shop.complete(shop.checkout(buyer, once))
        drain()
        with CaptureQueriesContext(connection) as queries:
            assert {law: check(law) for law in OF_CREDITS} == {law: [] for law in OF_CREDITS}
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 24


def test_the_command_reports_and_repairs_and_then_finds_nothing(
    shop: Shop, alice: StripeCustomer, subscription: str, pack: CheckoutLine
) -> None:
    forget_grants(shop)
    printed, code = run("--dry-run")
    assert (code, "not given, 50 are due" in printed, "not given, 200 are due" in printed) == (
        1,
        True,
        True,
    )
    assert balance(alice) == 0
    printed, code = run()
    assert (code, "2 difference(s), 2 repaired" in printed) == (0, True), printed
    assert balance(alice) == 250
    printed, code = run()
    assert (code, "0 difference(s)" in printed) == (0, True)
    assert balance(alice) == 250


@pytest.mark.parametrize("is_invoice_first", [False, True])
def test_credits_of_a_trial_that_ended_early_are_kept(
    shop: Shop,
    alice: StripeCustomer,
    monthly: Price,
    drain: Drain,
    clock: Clock,
    *,
    is_invoice_first: bool,
) -> None:
    """Half of the trial gave half of the credits, however often that is computed again, and
    whether its invoice was known when they were granted."""
    Product.objects.for_project(shop.project).update(
        credits_amount=100, credits_expire_after_days=365
    )
    stripe_id = shop.subscribe(alice, monthly, trial_period_days=10)
    if is_invoice_first:
        shop.stripe.deliver()
        answers = [(lease, sync.read(lease)) for lease in sync.claim_due(limit=20)]
        for lease, snapshot in sorted(answers, key=lambda answer: answer[0].kind != "invoice"):
            assert sync.store(lease, snapshot, at=clock.now)
    drain()
    assert balance(alice) == 100
    clock.advance(days=5)
    shop.stripe.v1.subscriptions.cancel(stripe_id)
    drain()
    assert balance(alice) == 50
    assert {law: check(law) for law in OF_CREDITS} == {law: [] for law in OF_CREDITS}
    assert balance(alice) == 50
